"""What Linux tells of a processor, and what follows for bfloat16."""

import os
import platform
import subprocess
import sys

import pytest

from nmt.devices import processor
from nmt.devices.processor import (
    lacks_bfloat16,
    multiplies_tiles,
    num_cores,
    processor_name,
)

CORE = """processor\t: {number}
model name\t: Some Processor 9000: {number}
flags\t\t: fpu avx2{flags}
"""


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Lets Linux tell of a processor of two cores with these flags beside avx2."""

    def tell(flags, machine="x86_64"):
        cores = [CORE.format(number=number, flags=flags) for number in (0, 1)]
        (tmp_path / "cpuinfo").write_text("\n".join(cores))
        monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
        monkeypatch.setattr(processor.sys, "platform", "linux")
        monkeypatch.setattr(platform, "machine", lambda: machine)

    return tell


@pytest.mark.parametrize(
    "flags, machine, lacks, tiles",
    [
        ("", "x86_64", True, False),
        (" avx512f avx512_vnni", "x86_64", True, False),
        (" avx512f avx512_bf16", "x86_64", False, False),
        (" amx_tile amx_bf16", "x86_64", False, True),
        ("", "aarch64", False, False),
    ],
)
def test_bfloat16_is_multiplied_where_an_instruction_does(told, flags, machine, lacks, tiles):
    told(flags, machine)
    assert (lacks_bfloat16(), multiplies_tiles()) == (lacks, tiles)


def test_the_name_is_that_of_the_first_core(told):
    told("")
    assert processor_name() == "Some Processor 9000: 0"


def test_where_nothing_is_told_nothing_is_lacking_and_python_names_it(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "absent")
    assert not lacks_bfloat16() and not multiplies_tiles()
    assert processor_name() == (platform.processor() or platform.machine())


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no cores can be chosen here")
def test_cores_are_those_that_the_process_may_use():
    pinned = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})"
    code = f"{pinned}; from nmt.devices.processor import num_cores; print(num_cores())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "1\n"
    assert num_cores() == len(os.sched_getaffinity(0))
