import os
import subprocess
import sys

import pytest

from nmt.devices.huge_pages import TUNABLES, WANTED

PROGRAM = """
import os, sys
from nmt.devices.huge_pages import use_huge_pages
print("start", flush=True)
use_huge_pages()
print(os.getpid(), os.environ["GLIBC_TUNABLES"], *sys.argv[1:], sys.flags.dev_mode)
"""


def said(environment):
    command = [sys.executable, "-X", "dev", "-c", PROGRAM, "one", "two words"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return process.pid, output.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has them")
def test_a_process_starts_anew_once_with_all_that_it_was_given():
    environment = {name: value for name, value in os.environ.items() if name != TUNABLES}
    pid, lines = said(environment)
    assert lines == ["start", "start", f"{pid} {WANTED} one two words True"]


def test_what_the_user_has_set_stays():
    pid, lines = said({**os.environ, TUNABLES: "glibc.malloc.check=0"})
    assert lines == ["start", f"{pid} glibc.malloc.check=0 one two words True"]
