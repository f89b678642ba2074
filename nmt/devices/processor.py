"""The processor of this machine: its name, its cores, and how it multiplies bfloat16."""

import contextlib
import os
import platform
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
TILES = "amx_bf16"  # the instructions of x86-64 that multiply tiles of bfloat16
MULTIPLY_BFLOAT16 = {"avx512_bf16", TILES}  # and all that multiply bfloat16


def processor_name() -> str:
    """What it is called; bit-equal resuming is promised on the same kind only."""
    return _described("model name") or platform.processor() or platform.machine()


def num_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def lacks_bfloat16() -> bool:
    """Whether products of bfloat16 take longer here than those of float32.

    So they do where each operand has to be made float32 first: on an x86-64 processor that has no
    instruction for them. Of others nothing is known, and False is said.
    """
    flags = _flags()
    return bool(flags) and not MULTIPLY_BFLOAT16 & flags


def multiplies_tiles() -> bool:
    """Whether it multiplies whole tiles of bfloat16, as Intel's AMX does."""
    return TILES in _flags()


def _flags() -> frozenset[str]:
    """What Linux says that an x86-64 processor can do; nothing of others."""
    flags = _described("flags") if platform.machine() == "x86_64" else ""
    return frozenset(flags.split())


def _described(what: str) -> str:
    """What Linux says of the first core, read no further; nothing elsewhere."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError), CPUINFO.open(errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == what:
                    return value.strip()
    return ""
