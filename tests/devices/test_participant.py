import os
import queue
import socket
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from nmt.devices import participant as own_file
from nmt.devices.clusters import Place
from nmt.devices.participant import AGAIN, Participant, join
from nmt.devices.wire import Wire
from nmt.errors import ConfigError, RunError
from tests.ports import free_port


class Ended(BaseException):
    """Stands in for the end of the process."""


@pytest.fixture
def told(monkeypatch):
    """The lines with which the process has ended, or that it has written before."""
    lines = []

    def end(status):
        lines.append(status)
        raise Ended

    monkeypatch.setattr(own_file, "_write_line", lines.append)
    monkeypatch.setattr(os, "_exit", end)
    return lines


@pytest.fixture
def participant_and_coordinator():
    """The third of four processes, and the other side of its connection."""
    with socket.create_server(("localhost", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far = listener.accept()[0]
    coordinator = Wire(far)
    yield Participant(Place("localhost", 5000, 4, 2), Wire(near)), coordinator
    near.close()
    far.close()


# ---- what is heard


def test_words_are_heard_in_order(participant_and_coordinator, told):
    participant, coordinator = participant_and_coordinator
    for number, word in enumerate((7, None, "text")):
        coordinator.send("word", number, word)
    coordinator.close()
    with pytest.raises(Ended):
        participant.listen()
    assert [participant.hear() for _ in range(3)] == [[7], [None], ["text"]]


def test_the_first_says_its_words_in_order(participant_and_coordinator):
    participant, coordinator = participant_and_coordinator
    participant.say(7)
    participant.say("text")
    assert [coordinator.receive(5) for _ in range(2)] == [["word", 0, 7], ["word", 1, "text"]]


def test_it_waits_until_all_are_here(participant_and_coordinator, told):
    participant, coordinator = participant_and_coordinator
    waiting = threading.Thread(target=participant.wait_for_all)
    waiting.start()
    assert coordinator.receive(5) == ["here"]
    assert waiting.is_alive()
    coordinator.send("all here")
    coordinator.close()
    with pytest.raises(Ended):
        participant.listen()
    waiting.join(10)
    assert not waiting.is_alive()


def test_with_a_lost_process_it_ends_at_once(participant_and_coordinator, told):
    participant, coordinator = participant_and_coordinator
    coordinator.send("lost", 3)
    with pytest.raises(Ended):
        participant.listen()
    assert told == [f"process 3 of 4 is lost; this one stops. {AGAIN}", 1]


def test_the_end_of_the_coordinator_is_that_of_the_first_process(participant_and_coordinator, told):
    participant, coordinator = participant_and_coordinator
    coordinator.close()
    with pytest.raises(Ended):
        participant.listen()
    assert told == [f"process 0 of 4 is lost; this one stops. {AGAIN}", 1]


def test_the_first_process_does_not_call_itself_lost(participant_and_coordinator, told):
    """The coordinator is its child, and may end by itself."""
    participant, coordinator = participant_and_coordinator
    participant.place = replace(participant.place, index=0)
    coordinator.close()
    with pytest.raises(Ended):
        participant.listen()
    assert told == [f"the coordinator is lost; this process stops. {AGAIN}", 1]


def test_it_follows_one_that_stopped_after_a_while(participant_and_coordinator, told, monkeypatch):
    timers: queue.Queue = queue.Queue()

    def timer(seconds, function, args=()):
        timers.put((seconds, function, args))
        return SimpleNamespace(start=lambda: None)

    monkeypatch.setattr(threading, "Timer", timer)
    monkeypatch.setattr(os, "_exit", told.append)  # in a thread of its own
    participant, coordinator = participant_and_coordinator
    coordinator.send("stopped", 1, "no such file")
    listening = threading.Thread(target=participant.listen)
    listening.start()
    seconds, end, arguments = timers.get(timeout=10)
    assert seconds == own_file.GRACE_SECONDS and told == []
    end(*arguments)
    assert told == ["process 1 of 4 has stopped: no such file; this one stops too", 1]
    participant.tell_done()
    listening.join(10)
    assert not listening.is_alive()


def test_silence_is_told_and_remembered(participant_and_coordinator, told):
    participant, coordinator = participant_and_coordinator
    coordinator.send("silent", 1, 25)
    coordinator.send("lost", 3)
    with pytest.raises(Ended):
        participant.listen()
    assert told[0] == "process 1 of 4 has given no sign of life in 25 seconds"
    assert participant.silent == 1


def test_a_sign_of_life_ends_the_silence(participant_and_coordinator, told):
    participant, coordinator = participant_and_coordinator
    coordinator.send("silent", 1, 25)
    coordinator.send("heard", 2)
    coordinator.send("heard", 1)
    coordinator.send("lost", 3)
    with pytest.raises(Ended):
        participant.listen()
    assert participant.silent is None


def test_one_that_ends_by_itself_keeps_its_status(participant_and_coordinator, monkeypatch):
    participant, coordinator = participant_and_coordinator
    participant.tell_stopped("no such file", 2)
    coordinator.send("lost", 3)
    statuses = []

    def ended(status):
        statuses.append(status)
        raise Ended

    monkeypatch.setattr(os, "_exit", ended)
    with pytest.raises(Ended):
        participant.listen()
    assert statuses == [2]


def test_signs_of_life(participant_and_coordinator, monkeypatch):
    monkeypatch.setattr(own_file, "ALIVE_SECONDS", 0.02)
    participant, coordinator = participant_and_coordinator
    listening = threading.Thread(target=participant.listen)
    listening.start()
    assert [coordinator.receive(5) for _ in range(3)] == [["alive"]] * 3
    participant.tell_done()
    listening.join(10)
    assert not listening.is_alive()


@pytest.mark.parametrize(
    ("tell", "expected"),
    [
        (Participant.tell_done, ["done"]),
        (
            lambda participant: participant.tell_stopped("no such file", 2),
            ["stopped", "no such file"],
        ),
    ],
)
def test_its_own_end_is_told_and_no_loss(participant_and_coordinator, told, tell, expected):
    participant, coordinator = participant_and_coordinator
    tell(participant)
    assert coordinator.receive(5) == expected
    coordinator.close()
    participant.listen()
    assert told == []


# ---- joining


def test_a_coordinator_that_cannot_be_reached():
    place = Place("localhost", free_port(), 2, 1)
    begin = time.monotonic()
    with pytest.raises(RunError, match="process 1 of 2 cannot reach the coordinator at localhost:"):
        join(place, 0.2)
    assert time.monotonic() - begin < 10


def test_a_port_in_use():
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            ConfigError, match=f"cannot listen at port {port}: Address already in use"
        ):
            join(Place("localhost", port, 2, 0), 1)


def test_processes_that_do_not_come():
    place = Place("localhost", free_port(), 3, 0)
    with pytest.raises(RunError, match=r"1 of 3 processes came in 0.3 seconds; missing: 1, 2"):
        join(place, 0.3)
    child = own_file._children.pop()
    child.stdin.close()
    assert child.wait(30) == 0
