import os
import subprocess
import sys
import time

import numpy as np
import pytest
from benchmarking import machine

from nmt.errors import ConfigError


def test_processor_time_is_for_one_core(monkeypatch):
    monkeypatch.setattr(machine, "num_cores", lambda: 1)
    assert machine.choose_clock(cpu_time=True) is time.process_time
    monkeypatch.setattr(machine, "num_cores", lambda: 2)
    assert machine.choose_clock(cpu_time=False) is time.perf_counter
    with pytest.raises(ConfigError, match="got 2 cores and device cpu"):
        machine.choose_clock(cpu_time=True)


HOLDING = """
import numpy as np
from benchmarking import machine

before = machine.peak_memory()
np.ones(2**23 + before // 8)  # more than all there has been
print(before, machine.peak_memory())
"""


def test_peak_memory_counts_what_was_held():
    """In a process of its own, which has held less than this one does by now."""
    held = np.ones(2**26)  # half a gigabyte
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLDING]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before < held.nbytes and after >= before + 2**25


@pytest.mark.parametrize(
    "loaded, settings, expected",
    [
        ("", ("", ""), "the C library"),
        ("", ("glibc.malloc.hugetlb=1", ""), "glibc.malloc.hugetlb=1"),
        (
            "/home/me/libjemalloc.so.2:libx.so",
            ("", "thp:always"),
            "libjemalloc.so.2, libx.so, thp:always",
        ),
    ],
)
def test_the_allocator_is_named_without_its_folder(monkeypatch, loaded, settings, expected):
    for name, value in zip(("GLIBC_TUNABLES", "MALLOC_CONF"), settings, strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LD_PRELOAD", loaded)
    assert machine._allocator() == expected
