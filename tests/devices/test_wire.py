import socket
import threading

import pytest

from nmt.devices import wire as wire_module
from nmt.devices.wire import Wire


@pytest.fixture
def pair():
    with socket.create_server(("localhost", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far = listener.accept()[0]
    yield Wire(near), far
    near.close()
    far.close()


def test_messages_come_whole_and_in_order_however_they_are_cut(pair):
    wire, far = pair
    sent = b'["word", 0, "\\u00e9"]\n["lost", 1]\n["alive"]\n'
    received = []
    for start in range(0, len(sent), 7):
        far.sendall(sent[start : start + 7])
    for _ in range(3):
        received.append(wire.receive(timeout=5))
    assert received == [["word", 0, "é"], ["lost", 1], ["alive"]]


def test_what_is_sent_is_received(pair):
    wire, far = pair
    other = Wire(far)
    threads = [
        threading.Thread(target=wire.send, args=("word", i, "x" * 5000 + "\n")) for i in range(8)
    ]
    for thread in threads:
        thread.start()
    received = [other.receive(timeout=5) for _ in threads]
    for thread in threads:
        thread.join()
    assert sorted(received) == [["word", i, "x" * 5000 + "\n"] for i in range(8)]


def test_nothing_in_time(pair):
    wire, far = pair
    far.sendall(b'["half a mess')
    with pytest.raises(TimeoutError):
        wire.receive(timeout=0.05)
    far.sendall(b'age"]\n')
    assert wire.receive(timeout=5) == ["half a message"]


def test_the_end_is_noticed_while_waiting(pair):
    wire, far = pair
    threading.Timer(0.1, far.close).start()
    with pytest.raises(ConnectionError):
        wire.receive()


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.0\n", b"7\n", b"[]\n", b"\xff\n", b"[" * 60_000 + b"\n"]
)
def test_what_is_no_message(pair, sent):
    wire, far = pair
    far.sendall(sent)
    with pytest.raises(ConnectionError, match="not a message"):
        wire.receive(timeout=5)


def test_a_message_has_a_largest_size(pair, monkeypatch):
    wire, far = pair
    monkeypatch.setattr(wire_module, "MOST_BYTES", 100)
    far.sendall(b'"' + b"x" * 200)
    with pytest.raises(ConnectionError, match="not a message"):
        wire.receive(timeout=5)
