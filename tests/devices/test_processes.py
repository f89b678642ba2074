import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from nmt.devices import processes
from nmt.devices.processes import (
    Agreement,
    ProcessFlags,
    ending_together,
    first_alone,
    from_first,
    is_first,
    several,
    start_processes,
    wait_for_all,
)
from nmt.errors import DataError
from tests.ports import free_port

LOST = "nmt: process {} of 2 is lost; this one stops. Start all of them again"
LIMIT = 60  # seconds from a death to the end of the others

PROGRAM = """
import os, signal, sys, time
from nmt.devices import participant
from nmt.devices.processes import *
from nmt.errors import DataError, NmtError

participant.GRACE_SECONDS = 1.0
address, index, scenario = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def tell(*words):
    # In one piece, and marked: gloo writes to the same place, in pieces of lines.
    os.write(1, ("\\n> " + " ".join(map(str, words)) + "\\n").encode())

def sum_over_all():
    import jax, numpy as np
    from jax.sharding import NamedSharding, PartitionSpec
    mesh = jax.make_mesh((4,), ("all",), axis_types=(jax.sharding.AxisType.Auto,))
    each, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("all",), ()))
    values = np.arange(4.0) ** 2
    array = jax.make_array_from_callback((4,), each, values.__getitem__)
    return float(jax.jit(jax.numpy.sum, out_shardings=whole)(array).addressable_data(0))

def together():
    import jax
    tell("devices", jax.local_device_count(), jax.device_count(), is_first(), several())
    tell("sum", sum_over_all())
    tell("first", from_first(100 + index), from_first(-(2**70)))
    time.sleep(0.5 * index)
    came = time.monotonic()
    wait_for_all()
    tell("waited", came, time.monotonic())
    tell("alone", first_alone(lambda: os.getpid()) == (os.getpid() if index == 0 else None))
    for wants in (0, 1):
        agreement, call = Agreement(), 0
        while not agreement.agreed(index == wants and call == 4):
            call += 1
            assert call < 20
        tell("agreed", call)

def die(victim):
    tell("ready")
    if index == victim:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

def dies_before_collective(victim):
    sum_over_all()
    die(victim)
    while True:
        sum_over_all()

def dies_while_others_wait():
    first_alone(lambda: die(0))

def dies_while_others_are_in_python():
    die(1)
    while True:
        pass

class Interrupted(Exception):
    signal_number = 15

def interrupted_together():
    agreement, call = Agreement(), 0
    while not agreement.agreed(index == 1 and call == 2):
        call += 1
    if index == 0:  # which saves for longer than an ending process would be waited for
        time.sleep(2)
        tell("saved")
    raise Interrupted("stopped by SIGTERM")

def interrupted_alone():
    def act():
        raise Interrupted("stopped by SIGTERM")
    first_alone(act)

def fails_alone():
    def fail():
        raise DataError("no such corpus")
    first_alone(fail)

def one_fails():
    sum_over_all()
    if index == 1:
        raise DataError("no such corpus")
    while True:
        sum_over_all()

SCENARIOS = {function.__name__: function for function in (
    together, dies_before_collective, dies_while_others_wait, dies_while_others_are_in_python,
    fails_alone, one_fails, interrupted_together, interrupted_alone)}
try:
    start_processes(ProcessFlags(address, 2, index), 50)
    with ending_together():
        name, *arguments = scenario.split("-")
        SCENARIOS[name](*map(int, arguments))
except Interrupted as interrupted:
    print("nmt:", interrupted, file=sys.stderr)
    sys.exit(128 + interrupted.signal_number)
except NmtError as error:
    print("nmt:", error, file=sys.stderr)
    sys.exit(2)
"""


class Pair:
    """Two processes that ran one scenario: what they wrote, and when they ended."""

    def __init__(self, folder, scenario):
        program = folder / "program.py"
        program.write_text(PROGRAM)
        environment = {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "JAX_NUM_CPU_DEVICES": "2",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        command = [sys.executable, str(program), f"localhost:{free_port()}"]
        self.processes = [
            subprocess.Popen(
                [*command, str(index), scenario],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
            for index in (0, 1)
        ]
        try:
            with ThreadPoolExecutor() as pool:
                self.told, self.ends = zip(*pool.map(self._wait, self.processes), strict=True)
        finally:
            for process in self.processes:
                process.kill()
                process.wait()
        self.statuses = [process.returncode for process in self.processes]
        self.outputs = [
            [line[2:] for line in out.splitlines() if line.startswith("> ")] for out, _ in self.told
        ]
        self.errors = [error.splitlines() for _, error in self.told]

    @staticmethod
    def _wait(process):
        """What a process said, and when it ended."""
        return process.communicate(timeout=110), time.monotonic()


# ---- a single process


def test_a_single_process_is_the_first_and_asks_no_one():
    start_processes(ProcessFlags())
    start_processes(ProcessFlags("nowhere.invalid:5000", 1, 0))
    assert is_first()
    assert not several()
    assert first_alone(lambda: "done") == "done"
    assert from_first(7) == 7
    wait_for_all()
    agreement = Agreement()
    assert [agreement.agreed(flag) for flag in (False, True, False)] == [False, True, False]
    with pytest.raises(DataError, match="as it is"), ending_together():
        raise DataError("as it is")


# ---- two processes


@pytest.mark.slow
def test_two_processes_work_together_and_end_quietly(tmp_path):
    pair = Pair(tmp_path, "together")
    assert pair.errors == [[], []]
    assert pair.statuses == [0, 0]
    agreed = [line for line in pair.outputs[0] if line.startswith("agreed")]
    expected = [
        "devices 2 4 {} True",
        "sum 14.0",
        f"first 100 {-(2**70)}",
        "alone True",
        *agreed,
    ]
    waited = [output.pop(3).split() for output in pair.outputs]
    came, left = ([float(words[place]) for words in waited] for place in (1, 2))
    assert max(came) <= min(left)
    for output, first in zip(pair.outputs, (True, False), strict=True):
        assert output == [line.format(first) for line in expected]
    assert len(agreed) == 2
    for line in agreed:
        assert 4 <= int(line.split()[1]) <= 4 + processes.AGREE_CALLS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "victim"),
    [
        ("dies_before_collective-0", 0),
        ("dies_before_collective-1", 1),
        ("dies_while_others_wait", 0),
        ("dies_while_others_are_in_python", 1),
    ],
)
def test_where_one_dies_the_other_says_so_and_stops(tmp_path, scenario, victim):
    pair = Pair(tmp_path, scenario)
    assert pair.ends[1 - victim] - pair.ends[victim] < LIMIT
    assert pair.statuses[victim] == -signal.SIGKILL
    assert pair.statuses[1 - victim] == 1
    (line,) = pair.errors[1 - victim]
    assert line.startswith(LOST.format(victim))


@pytest.mark.slow
def test_an_error_of_the_first_alone_reaches_the_other(tmp_path):
    pair = Pair(tmp_path, "fails_alone")
    assert pair.errors == [
        ["nmt: no such corpus"],
        ["nmt: process 0 of 2 has stopped: no such corpus"],
    ]
    assert pair.statuses == [2, 2]


@pytest.mark.slow
def test_where_one_fails_the_other_stops_too(tmp_path):
    pair = Pair(tmp_path, "one_fails")
    assert pair.errors == [
        ["nmt: process 1 of 2 has stopped: no such corpus; this one stops too"],
        ["nmt: no such corpus"],
    ]
    assert pair.statuses == [1, 2]


@pytest.mark.slow
def test_where_all_agreed_to_stop_each_waits_for_all(tmp_path):
    pair = Pair(tmp_path, "interrupted_together")
    assert pair.errors == [["nmt: stopped by SIGTERM"]] * 2
    assert pair.statuses == [128 + signal.SIGTERM] * 2
    assert pair.outputs[0] == ["saved"]


@pytest.mark.slow
def test_where_only_the_first_was_told_to_stop_the_other_stops_too(tmp_path):
    pair = Pair(tmp_path, "interrupted_alone")
    assert pair.errors == [
        ["nmt: stopped by SIGTERM"],
        ["nmt: process 0 of 2 has stopped: stopped by SIGTERM"],
    ]
    assert pair.statuses == [128 + signal.SIGTERM, 2]
