"""The processor of this machine: its name, and whether it multiplies bfloat16."""

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
    instruction for them, as most in laptops. Of others nothing is known, and False is said.
    """
    flags = _described("flags").split()
    return platform.machine() == "x86_64" and bool(flags) and not MULTIPLY_BFLOAT16 & set(flags)


def _described(what: str) -> str:
    """What Linux says of the first core; nothing elsewhere."""
    if sys.platform != "linux":
        return ""
    try:
        lines = CPUINFO.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in fields if name.strip() == what), "")
