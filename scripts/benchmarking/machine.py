"""The machine: what it is, the clock that times it, and how much memory was used.

Two clocks can time the work. The wall's is the usual one. On a machine that others use too, a
process pinned to one core is timed better by the processor time that it got; with several threads
that time would count each, and an accelerator's work would not be in it.
"""

import os
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from nmt.devices.allocator import MALLOC_CONF, PRELOAD, TUNABLES
from nmt.devices.processor import num_cores
from nmt.errors import ConfigError
from nmt.runs.directory import describe_environment

Clock = Callable[[], float]


def choose_clock(cpu_time: bool) -> Clock:
    """The clock that times the work.

    Raises:
      ConfigError: processor time says nothing about this process.
    """
    if not cpu_time:
        return time.perf_counter
    if num_cores() > 1 or jax.default_backend() != "cpu":
        raise ConfigError(
            "--cpu-time needs a process pinned to one core (taskset -c 0 python ...) that works on "
            f"it alone; got {num_cores()} cores and device {jax.default_backend()}"
        )
    return time.process_time


def _allocator() -> str:
    """Who hands out memory: the C library, or what was loaded before it; names no folder."""
    loaded = [Path(name).name for name in re.split("[: ]+", os.environ.get(PRELOAD, "")) if name]
    settings = [os.environ.get(name) for name in (TUNABLES, MALLOC_CONF)]
    return ", ".join(loaded + [setting for setting in settings if setting]) or "the C library"


def describe_machine() -> dict[str, Any]:
    """What the figures depend on; names no user."""
    return describe_environment() | {
        "cores_used": num_cores(),
        "allocator": _allocator(),
    }


def peak_memory() -> int:
    """The most bytes of memory that this process has held: on its device, or without one in all."""
    of_device = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in of_device:
        return of_device["peak_bytes_in_use"]
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says on Linux begins with what the parent process held
        (most,) = re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())
        return int(most) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
