"""Messages between two processes: one line of JSON each, over a connection that notices its end.

    wire = Wire(socket.create_connection(("node1", 5000)))
    wire.send("enter", 1, 2)
    kind, *values = wire.receive(timeout=10)

Where a process ends, whatever ended it, the kernel closes its connections, and the other side reads
their end at once. Where a machine or the network ends, the kernel of the other side gives up after
SILENT_SECONDS. Neither needs the process itself, which may be busy for long.
"""

import json
import select
import socket
import threading
import time
from typing import Any

SILENT_SECONDS = 20  # without any sign of the other machine
MOST_BYTES = 1 << 20  # of a message; more comes from no process of ours


class Wire:
    """A connection. One thread may receive while others send."""

    def __init__(self, connection: socket.socket):
        """Args: a connected socket, which the wire closes."""
        self.connection = connection
        self._received = b""
        self._sending = threading.Lock()
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        _keep_alive(connection)

    def send(self, *message: Any) -> None:
        """Sends what JSON knows.

        Raises:
          OSError: the connection has ended.
        """
        with self._sending:
            self.connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, timeout: float | None = None) -> list:
        """Waits for a message.

        Args:
          timeout: seconds; None waits for ever.
        Raises:
          TimeoutError: none came in time.
          OSError: the connection has ended, or brings what is no message.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while (message := self.pending()) is None:
            left = None if end is None else max(end - time.monotonic(), 0) * 1000
            if not self._poll.poll(left):
                raise TimeoutError("no answer")
            self.read()
        return message

    def pending(self) -> list | None:
        """A message that has been read, or None."""
        line, newline, rest = self._received.partition(b"\n")
        if not newline:
            return None
        self._received = rest
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, list) or not message:
            raise ConnectionError("not a message")
        return message

    def read(self) -> None:
        """Reads what there is, and waits where there is nothing.

        Raises:
          OSError: the connection has ended.
        """
        came = self.connection.recv(1 << 16)
        if not came:
            raise ConnectionResetError("the connection has ended")
        self._received += came
        if len(self._received) > MOST_BYTES:
            raise ConnectionError("not a message")

    def close(self) -> None:
        """Ends the connection."""
        self.connection.close()


def _keep_alive(connection: socket.socket) -> None:
    """Has the kernel ask the other machine whether it is there."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    options = {  # not every system has all of them
        "TCP_KEEPIDLE": SILENT_SECONDS // 4,
        "TCP_KEEPINTVL": SILENT_SECONDS // 4,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": SILENT_SECONDS * 1000,  # for what was sent and not acknowledged
    }
    for name, value in options.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
