import os
import socket
import threading
from types import SimpleNamespace

import pytest

from nmt.devices import coordinator as coordinator_module
from nmt.devices.coordinator import Coordinator
from nmt.devices.wire import Wire

SERVICE_PORT = 4321


class Served:
    """A coordinator in a thread, and connections to it."""

    def __init__(self, count, start_seconds=30):
        listener = socket.create_server(("localhost", 0))
        self.address = listener.getsockname()
        parent_end, self.parent = os.pipe()
        self.coordinator = Coordinator(listener, parent_end, count, start_seconds)
        self.thread = threading.Thread(target=self.coordinator.serve)
        self.wires, self.parent_end = [], parent_end
        self.thread.start()

    def enter(self, index, count):
        wire = Wire(socket.create_connection(self.address))
        self.wires.append(wire)
        wire.send("enter", index, count)
        return wire

    def all_enter(self):
        count = self.coordinator.count
        wires = [self.enter(index, count) for index in range(count)]
        assert [wire.receive(10) for wire in wires] == [["begin", SERVICE_PORT]] * count
        return wires

    def end_of_parent(self):
        if self.parent is not None:
            os.close(self.parent)
            self.parent = None

    def close(self):
        self.end_of_parent()
        for wire in self.wires:
            wire.close()
        self.thread.join(20)
        assert not self.thread.is_alive()
        os.close(self.parent_end)
        self.coordinator.listener.close()
        self.coordinator._selector.close()
        for wire in self.coordinator.participants.values():
            wire.close()


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setattr(
        coordinator_module, "_Service", lambda count: SimpleNamespace(port=SERVICE_PORT)
    )
    all_served = []

    def start(*arguments, **named):
        all_served.append(Served(*arguments, **named))
        return all_served[-1]

    yield start
    for served in all_served:
        served.close()


def test_all_begin_when_the_last_has_come(serve):
    served = serve(3)
    first, second = served.enter(0, 3), served.enter(1, 3)
    with pytest.raises(TimeoutError):
        first.receive(0.1)
    third = served.enter(2, 3)
    for wire in (first, second, third):
        assert wire.receive(10) == ["begin", SERVICE_PORT]


def test_the_port_is_free_once_all_have_begun(serve):
    served = serve(1)
    served.all_enter()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(served.address)


@pytest.mark.parametrize(
    ("index", "count", "reason"),
    [
        (0, 3, "this process counts 3 processes, process 0 counts 2"),
        (0, 2, "there is a process 0 already"),
        (2, 2, "there is no process 2 of 2"),
    ],
)
def test_who_does_not_belong_is_refused(serve, index, count, reason):
    served = serve(2)
    served.enter(0, 2)
    assert served.enter(index, count).receive(10) == ["refused", reason]


def test_strangers_are_passed_over(serve):
    served = serve(2)
    with socket.create_connection(served.address) as stranger:
        stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        served.all_enter()


def test_one_that_leaves_before_the_beginning_may_come_again(serve):
    served = serve(2)
    served.enter(1, 2).close()
    first, second = served.enter(0, 2), served.enter(1, 2)
    message = second.receive(10)
    if message[0] == "refused":  # the end of the other connection was not read yet
        second = served.enter(1, 2)
        message = second.receive(10)
    assert message == first.receive(10) == ["begin", SERVICE_PORT]


def test_too_few_in_time(serve):
    served = serve(3, start_seconds=2)
    reason = "1 of 3 processes came in 2 seconds; missing: 0, 2"
    assert served.enter(1, 3).receive(10) == ["refused", reason]


def test_words_reach_all_others_in_order(serve):
    first, *others = serve(3).all_enter()
    for word in ("a", 2**70, None):
        first.send("word", word)
    for other in others:
        assert [other.receive(10) for _ in range(3)] == [
            ["word", "a"],
            ["word", 2**70],
            ["word", None],
        ]
    with pytest.raises(TimeoutError):
        first.receive(0.05)


def test_all_are_here_when_the_last_says_so(serve):
    wires = serve(3).all_enter()
    for _ in range(2):
        for wire in wires[:2]:
            wire.send("here")
        with pytest.raises(TimeoutError):
            wires[0].receive(0.1)
        wires[2].send("here")
        assert [wire.receive(10) for wire in wires] == [["all here"]] * 3


def test_the_lost_are_told(serve):
    first, second, third = serve(3).all_enter()
    second.close()
    assert first.receive(10) == third.receive(10) == ["lost", 1]


def test_those_that_stopped_or_are_done_are_not_lost(serve):
    first, second, third = serve(3).all_enter()
    second.send("stopped", "no such file")
    second.close()
    third.send("done")
    third.close()
    assert first.receive(10) == ["stopped", 1, "no such file"]
    with pytest.raises(TimeoutError):
        first.receive(0.2)


def test_the_silent_are_told(serve, monkeypatch):
    monkeypatch.setattr(coordinator_module, "SPEECHLESS_SECONDS", 0.2)
    first, _ = serve(2).all_enter()
    stop = threading.Event()

    def live():
        while not stop.wait(0.02):
            first.send("alive")

    alive = threading.Thread(target=live)
    alive.start()
    assert first.receive(10) == ["silent", 1, 0.2]
    stop.set()
    alive.join()


def test_it_outlives_the_first_process_until_all_know(serve):
    served = serve(2)
    first, second = served.all_enter()
    served.end_of_parent()
    first.close()
    assert second.receive(10) == ["lost", 0]
    assert served.thread.is_alive()
    second.close()
    served.thread.join(10)
    assert not served.thread.is_alive()
