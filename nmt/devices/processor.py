"""The processor of this machine: its name, and whether it multiplies bfloat16."""

import contextlib
import platform
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
MULTIPLY_BFLOAT16 = {"avx512_bf16", "amx_bf16"}  # the instructions of x86-64 that do


def processor_name() -> str:
    """What it is called; bit-equal resuming is promised on the same kind only."""
    return _described("model name") or platform.processor() or platform.machine()


def lacks_bfloat16() -> bool:
    """Whether products of bfloat16 take longer here than those of float32.

    So they do where each operand has to be made float32 first: on an x86-64 processor that has no
    instruction for them. Of others nothing is known, and False is said.
    """
    flags = _described("flags").split()
    return platform.machine() == "x86_64" and bool(flags) and not MULTIPLY_BFLOAT16 & set(flags)


def _described(what: str) -> str:
    """What Linux says of the first core, read no further; nothing elsewhere."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError), CPUINFO.open(errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == what:
                    return value.strip()
    return ""
