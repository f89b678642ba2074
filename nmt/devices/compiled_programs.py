"""Start-up of jax, before its first work: what is compiled once is kept for the next command."""

import os
from pathlib import Path

from nmt.devices.processor import num_cores

THREADS_PER_DEVICE = 8  # of virtual CPU devices
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"  # of XLA_FLAGS
MIN_COMPILE_SECONDS = 0.5  # what compiles faster is not worth a file


def use_compilation_cache() -> None:
    """Keeps compiled programs in the user's own folder, and quiets the log of XLA's C++ code.

    The folder is one in $NMT_CACHE, or else in nmt/compiled in the user's cache folder; with
    NMT_CACHE empty, or where the folder cannot be written, nothing is kept. It is never inside a
    run: compiled programs are code, and a run from a stranger must execute none.

    Each number of cores has a folder of its own: for a CPU, XLA divides a program's loops among as
    many as it finds, which is not in the name under which jax keeps it. A program that was compiled
    where there is one core would leave all others idle.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when jax is imported: errors only
    folder = cache_folder()
    if folder is None:
        return
    folder /= f"{_num_threads()}_threads"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        return

    import jax

    if jax.config.jax_compilation_cache_dir is None:  # or else the user has chosen for all programs
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_COMPILE_SECONDS)


def use_enough_threads() -> None:
    """Gives virtual CPU devices threads enough for their collectives; before jax's first work.

    XLA runs the programs of all CPU devices in one pool of as many threads as there are devices or
    cores. Collectives block a thread until all devices have come to them, and what does not depend
    on each other runs in any order: once in some thousand steps on a busy machine, four devices
    waited in two different ones, no thread was left, and XLA ended the process after 40 seconds.
    """
    devices = os.environ.get("JAX_NUM_CPU_DEVICES", "")
    if devices.isdecimal() and int(devices) > 1:
        os.environ.setdefault("NPROC", str(THREADS_PER_DEVICE * int(devices)))


def use_deterministic_programs() -> None:
    """Has XLA compile for GPUs what gives the same bits every time; before jax's first work.

    It leaves out operations whose sums run in any order (atomic additions in scatters), and does
    not choose among algorithms by timing them, which may end otherwise in another process.
    Programs for CPUs and TPUs are deterministic as they are.
    """
    flags = os.environ.get("XLA_FLAGS", "").split()
    name = DETERMINISTIC.partition("=")[0]
    others = [flag for flag in flags if not flag.startswith(name)]
    os.environ["XLA_FLAGS"] = " ".join([*others, DETERMINISTIC])


def are_programs_deterministic() -> bool:
    """Whether that has been asked for."""
    return DETERMINISTIC in os.environ.get("XLA_FLAGS", "").split()


def _num_threads() -> int:
    """How many threads XLA gives to the program of a CPU: of a core each, or as $NPROC limits."""
    limit = os.environ.get("NPROC", "")
    return min(num_cores(), int(limit)) if limit.isdecimal() else num_cores()


def cache_folder() -> Path | None:
    """Where compiled programs are kept; None where the user wants none or has no home."""
    asked = os.environ.get("NMT_CACHE")
    if asked is not None:
        return Path(asked).expanduser().absolute() if asked else None
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:  # the specification has a relative path ignored
        base = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "nmt" / "compiled"
