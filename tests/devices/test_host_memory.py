import os
import platform
import subprocess
import sys

import pytest

from nmt.devices.host_memory import TUNABLES, WANTED

PROGRAM = """
import os, sys
from nmt.devices.host_memory import tune_host_memory
print("start", flush=True)
tune_host_memory()
print(os.getpid(), os.environ["GLIBC_TUNABLES"], *sys.argv[1:], sys.flags.dev_mode)
"""

AGAIN = """
import resource
import numpy as np
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(1 << 25, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults(), faults())
"""


def said(environment):
    command = [sys.executable, "-X", "dev", "-c", PROGRAM, "one", "two words"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return process.pid, output.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such a C library")
def test_a_process_starts_anew_once_with_all_that_it_was_given():
    environment = {name: value for name, value in os.environ.items() if name != TUNABLES}
    pid, lines = said(environment)
    assert lines == ["start", "start", f"{pid} {WANTED} one two words True"]


def test_what_the_user_has_set_stays():
    pid, lines = said({**os.environ, TUNABLES: "glibc.malloc.check=0"})
    assert lines == ["start", f"{pid} glibc.malloc.check=0 one two words True"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it has these tunables")
def test_memory_is_touched_for_the_first_time_once():
    environment = {**os.environ, TUNABLES: WANTED}
    output = subprocess.check_output([sys.executable, "-c", AGAIN], env=environment, text=True)
    first, second = map(int, output.split())
    huge_page, array = 1 << 21, 1 << 25
    assert first >= array // huge_page
    assert second < array // huge_page // 2
