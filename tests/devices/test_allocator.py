import os
import subprocess
import sys

import pytest

from nmt.devices.allocator import (
    HUGE_PAGES,
    HUGE_PAGES_OF_JEMALLOC,
    JEMALLOC,
    MALLOC_CONF,
    PRELOAD,
    TUNABLES,
    _folders,
    unchosen,
    wanted,
)

VARIABLES = (PRELOAD, TUNABLES, MALLOC_CONF)
PROGRAM = """
import os, sys
from nmt.devices.allocator import choose_allocator
print("start", flush=True)
choose_allocator()
print(os.getpid(), *sys.argv[1:], sys.flags.dev_mode)
for name in sorted({"LD_PRELOAD", "GLIBC_TUNABLES", "MALLOC_CONF"} & set(os.environ)):
    print(name, os.environ[name])
"""
BLOCKS = """
import resource, sys
from nmt.devices.allocator import choose_allocator, keep_freed_memory
choose_allocator()
import numpy as np
def faults(megabytes):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(megabytes << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
if sys.argv[1] == "kept":
    faults(64)
    keep_freed_memory()
print(faults(64), faults(64), faults(64))
"""
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these variables")
only_jemalloc = pytest.mark.skipif(
    PRELOAD not in wanted({}, _folders()), reason="jemalloc is not installed"
)


def run(program, *arguments, **variables):
    environment = {k: v for k, v in os.environ.items() if k not in VARIABLES} | variables
    command = [sys.executable, "-X", "dev", "-c", program, *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return process.pid, output.splitlines()


def faults(when, **variables):
    (line,) = run(BLOCKS, when, **variables)[1]
    return [int(count) for count in line.split()]


@pytest.mark.parametrize(
    "before",
    [{}, {"PATH": "/bin", PRELOAD: ""}, {PRELOAD: "libother.so"}, {TUNABLES: "of the user"}],
)
def test_what_was_chosen_can_be_taken_back(before):
    chosen = {} if TUNABLES in before else wanted(before, _folders())
    after = unchosen(before | chosen)
    assert {name: value for name, value in before.items() if value} == after


@only_linux
def test_a_process_starts_anew_once_with_all_that_it_was_given():
    pid, lines = run(PROGRAM, "one", "two words")
    assert lines[:3] == ["start", "start", f"{pid} one two words True"]
    assert lines[3:] == [f"{k} {v}" for k, v in sorted(wanted({}, _folders()).items())]


@only_linux
@pytest.mark.parametrize("name, setting", [(TUNABLES, "glibc.malloc.check=0"), (MALLOC_CONF, "")])
def test_what_the_user_has_set_stays(name, setting):
    pid, lines = run(PROGRAM, "one", **{name: setting})
    assert lines == ["start", f"{pid} one True", f"{name} {setting}"]


@only_linux
def test_ctrl_c_waits_until_the_process_that_was_started_anew_lets_it_come():
    held = """
import os, signal
from nmt.devices.allocator import TUNABLES, MALLOC_CONF, choose_allocator, let_signals_come
if {TUNABLES, MALLOC_CONF} & set(os.environ):
    os.kill(os.getpid(), signal.SIGINT)
choose_allocator()
print("held", flush=True)
try:
    let_signals_come()
except KeyboardInterrupt:
    print("came")
"""
    assert run(held)[1] == ["held", "came"]


def test_jemalloc_is_taken_from_the_first_folder_that_has_it(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    assert wanted({}, folders) == HUGE_PAGES
    for folder in folders[1:]:
        folder.mkdir()
        (folder / JEMALLOC).touch()
    found = {PRELOAD: str(tmp_path / "b" / JEMALLOC), **HUGE_PAGES_OF_JEMALLOC}
    assert wanted({}, folders) == found
    assert wanted({PRELOAD: ""}, folders) == found


def test_jemalloc_is_not_put_beside_what_the_user_preloads(tmp_path):
    (tmp_path / JEMALLOC).touch()
    assert wanted({PRELOAD: "/usr/lib/libtcmalloc.so.4"}, [tmp_path]) == HUGE_PAGES


@only_jemalloc
def test_memory_is_kept_from_when_it_is_asked_for():
    assert min(faults("given back")) >= 16  # a block of 64 MiB has 32 pages of 2 MiB, or more
    assert faults("kept")[1:] == [0, 0]


@only_linux
def test_without_jemalloc_nothing_is_kept_and_nothing_fails():
    assert min(faults("kept", **HUGE_PAGES)) >= 16
