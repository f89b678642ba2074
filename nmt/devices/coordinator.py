"""The process behind several processes: calls the roll, tells who is lost, serves jax.

The first process starts it as its child, and it outlives the first process for as long as others
have to learn of its end. That is why it is a process: where jax's service ends together with the
first process, jax aborts all others on the spot, before they can say why.

    participant -> coordinator    ["enter", id, count]      it is there, and asks to begin
                             ["alive"]                 now and then
                             ["word", ...]             of the first, passed on to all others
                             ["here"]                  it waits for all others
                             ["stopped", reason]       it ends with an error
                             ["done"]                  it ends as it should
    coordinator -> participant    ["refused", reason]
                             ["begin", port]           all are there; the port of jax's service
                             ["word", ...], ["all here"]
                             ["lost", id], ["stopped", id, reason], ["silent", id, seconds]
                             ["heard", id]             it is silent no more
"""

import contextlib
import selectors
import signal
import socket
import sys
import time
from functools import partial

from nmt.devices.ending import ENDING_SIGNALS, exit_at_once
from nmt.devices.wire import Wire

HEARTBEAT_SECONDS = 40  # without which jax takes a process for dead
SHUTDOWN_SECONDS = 24 * 3600  # that the first to end may wait for the last
LINGER_SECONDS = 60  # that this process may outlive the first
SPEECHLESS_SECONDS = 25  # after which a process is said to be silent


class Coordinator:
    """What is known of the participants; a participant is a process with its id, from 0."""

    def __init__(self, listener: socket.socket, parent: int, count: int, start_seconds: float):
        """Args: a listening socket, a pipe of the first process, how many come, in which time."""
        self.listener, self.parent, self.count = listener, parent, count
        self.start_seconds = start_seconds
        self.participants: dict[int, Wire] = {}
        self.heard: dict[int, float] = {}  # when each was last heard of; not those that say no more
        self.silent: set[int] = set()  # of whom it was said
        self.here: set[int] = set()
        self.ended: set[int] = set()  # with a word of their own
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Serves until the first process is gone, and then the others, too."""
        service = _Service(self.count)
        self._selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self.parent, selectors.EVENT_READ, self._end_of_parent)
        self._parent_ended: float | None = None
        deadline = time.monotonic() + self.start_seconds
        while len(self.participants) < self.count:
            self._turn()
            if self._parent_ended is not None:
                return
            if time.monotonic() > deadline:
                self._refuse_all()
                return
        self._selector.unregister(self.listener)
        self.listener.close()  # free for the next start
        self._tell("begin", service.port)
        now = time.monotonic()  # none spoke while it waited
        self.heard = dict.fromkeys(self.participants, now)
        while not self._is_over():
            self._turn()
            self._tell_silent()

    def _turn(self) -> None:
        for key, _ in self._selector.select(timeout=1):
            key.data()

    def _is_over(self) -> bool:
        if self._parent_ended is None:
            return False
        return not self.participants or time.monotonic() - self._parent_ended > LINGER_SECONDS

    def _end_of_parent(self) -> None:
        self._selector.unregister(self.parent)
        self._parent_ended = time.monotonic()

    # ---- participants

    def _accept(self) -> None:
        wire = Wire(self.listener.accept()[0])
        wire.connection.settimeout(5)
        self._selector.register(wire.connection, selectors.EVENT_READ, partial(self._enter, wire))

    def _enter(self, wire: Wire) -> None:
        """The first message of a connection says which participant it is."""
        try:
            wire.read()
            message = wire.pending()
            if message is None:
                return
            kind, participant, count = message
            if kind != "enter" or type(participant) is not int:
                raise ValueError
        except (OSError, ValueError):  # a stranger, perhaps
            self._drop(wire)
            return
        reason = None
        if count != self.count:
            reason = f"this process counts {count} processes, process 0 counts {self.count}"
        elif participant in self.participants:
            reason = f"there is a process {participant} already"
        elif participant not in range(self.count):
            reason = f"there is no process {participant} of {self.count}"
        if reason is not None:
            with contextlib.suppress(OSError):
                wire.send("refused", reason)
            self._drop(wire)
            return
        self.participants[participant] = wire
        self.heard[participant] = time.monotonic()
        self._selector.modify(
            wire.connection, selectors.EVENT_READ, partial(self._receive, participant)
        )

    def _receive(self, participant: int) -> None:
        wire = self.participants[participant]
        try:
            wire.read()
            while (message := wire.pending()) is not None:
                self._act(participant, *message)
        except (OSError, ValueError):
            self._end(participant)

    def _act(self, participant: int, kind: str, *values) -> None:
        self.heard[participant] = time.monotonic()
        if participant in self.silent:
            self.silent.discard(participant)
            self._tell("heard", participant, but=participant)
        if kind == "word":
            self._tell(kind, *values, but=participant)
        elif kind == "here":
            self.here.add(participant)
            if len(self.here) == self.count:
                self.here.clear()
                self._tell("all here")
        elif kind == "stopped":
            self.ended.add(participant)
            self._tell(kind, participant, *values, but=participant)
        elif kind == "done":
            self.ended.add(participant)
        if participant in self.ended:
            self.heard.pop(participant, None)

    def _end(self, participant: int) -> None:
        """A connection has ended: by itself, or for lack of its process."""
        self._drop(self.participants.pop(participant))
        self.heard.pop(participant, None)
        begun = self.listener.fileno() < 0
        if begun and participant not in self.ended:
            self._tell("lost", participant)

    def _drop(self, wire: Wire) -> None:
        self._selector.unregister(wire.connection)
        wire.close()

    # ---- telling

    def _tell(self, *message, but: int | None = None) -> None:
        for participant in self.participants.keys() - {but}:
            try:
                self.participants[participant].send(*message)
            except OSError:  # its end will be read
                continue

    def _tell_silent(self) -> None:
        now = time.monotonic()
        for participant, heard in list(self.heard.items()):
            if now - heard > SPEECHLESS_SECONDS:
                self.heard[participant] = now
                self.silent.add(participant)
                self._tell("silent", participant, SPEECHLESS_SECONDS, but=participant)

    def _refuse_all(self) -> None:
        missing = [str(one) for one in range(self.count) if one not in self.participants]
        named = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
        self._tell(
            "refused",
            f"{len(self.participants)} of {self.count} processes came in {self.start_seconds:g} "
            f"seconds; missing: {named}",
        )


class _Service:
    """jax's coordination service, which jax itself would run inside the first process."""

    def __init__(self, count: int):
        from jaxlib import _jax

        with socket.socket(socket.AF_INET) as probe:  # the service cannot say what it was given
            probe.bind(("", 0))
            self.port = probe.getsockname()[1]
        self._service = _jax.get_distributed_runtime_service(
            f"[::]:{self.port}",
            count,
            heartbeat_timeout=HEARTBEAT_SECONDS,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )


def main() -> None:
    """Args, of the command line: the listening socket, how many come, the seconds to come in.

    Standard input is the pipe that ends with the first process. What is meant for the first
    process, such as Ctrl-C, is not meant for this one.
    """
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    listener, count, start_seconds = sys.argv[1:]
    coordinator = Coordinator(
        socket.socket(fileno=int(listener)), sys.stdin.fileno(), int(count), float(start_seconds)
    )
    coordinator.serve()
    exit_at_once(0)  # jax's service would wait for its clients


if __name__ == "__main__":
    main()
