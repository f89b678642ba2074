"""Large arrays on huge pages: what a step on a CPU writes anew costs fewer page faults.

XLA takes the memory of a program's temporary arrays from the C library at every call and gives it
back after, so that each page of 4 KiB is mapped and cleared again by Linux on its first touch. In
pages of 2 MiB this is five hundred times rarer, and addresses are looked up faster too.
"""

import os
import sys

TUNABLES = "GLIBC_TUNABLES"  # read by the C library when a process starts, and never again
WANTED = "glibc.malloc.hugetlb=1"  # madvise large blocks of memory to be of huge pages


def use_huge_pages() -> None:
    """Starts this process anew, once, where its C library would use huge pages if asked at start.

    To be called first in a program, before threads and files. Nothing happens where the user has
    set GLIBC_TUNABLES, be it to nothing, or outside Linux; other C libraries ignore the variable.
    """
    if sys.platform == "linux" and TUNABLES not in os.environ and sys.orig_argv:
        os.environ[TUNABLES] = WANTED
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
