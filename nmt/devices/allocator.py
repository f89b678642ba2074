"""Who hands out memory: what a step on a CPU writes anew should cost few page faults.

XLA takes the memory of a program's temporary arrays from the C library at every call and gives it
back after, so that each page of 4 KiB is mapped and cleared again by Linux on its first touch.

  - In pages of 2 MiB, which glibc asks for if told so, this is five hundred times rarer, and
    addresses are looked up faster too.
  - jemalloc, where it is installed, asks for such pages as well, and can be told in the midst of
    work to keep what is freed: from one step to the next nothing is mapped any more. glibc keeps
    large blocks in a single arena alone, where threads that compile would wait for each other.
"""

import ctypes
import os
import platform
import signal
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

from nmt.devices.ending import ENDING_SIGNALS

# All three are read when a process starts, and never again.
PRELOAD = "LD_PRELOAD"
TUNABLES = "GLIBC_TUNABLES"
MALLOC_CONF = "MALLOC_CONF"  # of jemalloc
HUGE_PAGES = {TUNABLES: "glibc.malloc.hugetlb=1"}  # madvise large blocks to be of huge pages
HUGE_PAGES_OF_JEMALLOC = {MALLOC_CONF: "thp:always"}
JEMALLOC = "libjemalloc.so.2"
FOREVER = -1  # as the milliseconds after which an arena gives freed pages back


def choose_allocator() -> None:
    """Starts this process anew, once, with the allocator that suits its work.

    To be called first in a program, before threads and files. Nothing happens where the user has
    set GLIBC_TUNABLES or MALLOC_CONF, be it to nothing, or outside Linux; other C libraries than
    glibc and jemalloc ignore these variables. Signals that end wait for `let_signals_come`, as
    Python would answer Ctrl-C with a traceback of its own imports.
    """
    if sys.platform != "linux" or not sys.orig_argv or {TUNABLES, MALLOC_CONF} & set(os.environ):
        return
    os.environ.update(wanted(os.environ, _folders()))
    # Also in what takes the place of this process.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def let_signals_come() -> None:
    """Ends the wait of the signals that `choose_allocator` holds; one may raise here."""
    if sys.platform == "linux":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)


def wanted(environment: Mapping[str, str], folders: Iterable[Path]) -> dict[str, str]:
    """The variables to set.

    Args:
      environment: that of the process; where it preloads something, jemalloc is not put beside it.
      folders: of libraries, in which jemalloc is looked for.
    """
    if not environment.get(PRELOAD):
        for folder in folders:
            if (folder / JEMALLOC).is_file():
                return {PRELOAD: str(folder / JEMALLOC), **HUGE_PAGES_OF_JEMALLOC}
    return HUGE_PAGES


def unchosen(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process that is to choose for itself, though this one has chosen."""
    for chosen in (wanted({}, _folders()), HUGE_PAGES):
        if chosen.items() <= environment.items():
            return {name: value for name, value in environment.items() if name not in chosen}
    return dict(environment)


def keep_freed_memory() -> None:
    """From now on jemalloc gives nothing back; other allocators go on as they do.

    To be called when programs are about to run that take the same memory again and again. What
    came before, such as the preparation of a corpus, takes blocks of ever other sizes: kept, they
    would be two gigabytes of five million pairs.
    """
    if sys.platform != "linux" or JEMALLOC not in os.environ.get(PRELOAD, ""):
        return
    mallctl = getattr(ctypes.CDLL(None), "mallctl", None)
    if mallctl is None:  # it could not be loaded
        return
    num_arenas, size = ctypes.c_uint(), ctypes.c_size_t(ctypes.sizeof(ctypes.c_uint))
    mallctl(
        b"arenas.narenas", ctypes.byref(num_arenas), ctypes.byref(size), None, ctypes.c_size_t()
    )
    names = [b"arenas.dirty_decay_ms"]  # of those to come; arenas without a thread refuse
    names += [b"arena.%d.dirty_decay_ms" % arena for arena in range(num_arenas.value)]
    decay = ctypes.c_ssize_t(FOREVER)
    for name in names:
        mallctl(name, None, None, ctypes.byref(decay), ctypes.c_size_t(ctypes.sizeof(decay)))


def _folders() -> list[Path]:
    """Where the environment, Debian, Fedora and Arch put libraries.

    None but on x86-64: elsewhere kernels differ in the size of their pages, and a jemalloc that was
    built for another one ends the process.
    """
    if platform.machine() != "x86_64":
        return []
    of_system = [f"lib/{sysconfig.get_config_var('MULTIARCH')}", "lib64", "lib", "local/lib"]
    return [Path(sys.prefix, "lib"), *(Path("/usr", name) for name in of_system)]
