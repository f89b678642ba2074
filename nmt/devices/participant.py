"""This process among several: how it joins them, what it hears, and how it ends with them.

A participant has one connection, to the coordinator, and one thread that listens to it. What the
thread hears of other processes ends this one, whatever it is doing.
"""

import contextlib
import logging
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

from nmt.devices.clusters import Place
from nmt.devices.wire import Wire
from nmt.errors import ConfigError, RunError

logger = logging.getLogger(__name__)

WAIT_SECONDS = 10  # after which waiting is said
ALIVE_SECONDS = 5  # between two signs of life
GRACE_SECONDS = 10  # in which a process may end by an error of its own
LOST = 1  # the exit status
AGAIN = "Start all of them again with the same command: training goes on from its last checkpoint"


class Participant:
    """This process, and what it knows of the others.

    Attributes:
      place: where it stands.
      silent: a process that gives no sign of life, or None.
      agreed: whether all have agreed to stop at the same step.
      ending: whether it ends by itself, so that the end of the connection tells nothing.
      status: with which it ends then.
    """

    def __init__(self, place: Place, wire: Wire):
        """Args: where it stands, and its connection."""
        self.place = place
        self.silent: int | None = None
        self.agreed = False
        self.ending, self.status = False, LOST
        self._wire = wire
        self._words: queue.SimpleQueue[list] = queue.SimpleQueue()  # of the first, in order
        self._num_words = 0
        self._all_here: queue.SimpleQueue[None] = queue.SimpleQueue()

    def name(self, index: int) -> str:
        """How messages call a process."""
        return f"process {index} of {self.place.count}"

    # ---- words of the first process

    def say(self, *word: Any) -> None:
        """What the first process lets the others know."""
        self._wire.send("word", self._num_words, *word)
        self._num_words += 1

    def hear(self) -> list:
        """Waits for the next word of the first process."""
        number, *word = self._words.get()
        assert number == self._num_words, "all processes ask the first one for the same"
        self._num_words += 1
        return word

    def wait_for_all(self) -> None:
        """Returns when all processes have called it."""
        self._wire.send("here")
        self._all_here.get()

    # ---- the thread that listens

    def listen(self) -> None:
        """Ends this process with another one."""
        while True:
            try:
                kind, *values = self._wire.receive(timeout=ALIVE_SECONDS)
            except TimeoutError:
                with contextlib.suppress(OSError):  # its end will be read
                    self._wire.send("alive")
                continue
            except OSError:
                if not self.ending and self.place.index == 0:
                    self._end_with(f"the coordinator is lost; this process stops. {AGAIN}")
                if not self.ending:
                    self.end_with_lost(0)
                self._wire.close()
                return
            if kind == "word":
                self._words.put(values)
            elif kind == "all here":
                self._all_here.put(None)
            elif kind == "lost":
                if self.ending:  # the others follow this one, which is still at it
                    os._exit(self.status)
                self.end_with_lost(values[0])
            elif kind == "stopped":
                index, reason = values
                message = f"{self.name(index)} has stopped: {reason}; this one stops too"
                threading.Timer(GRACE_SECONDS, self._end_with, [message]).start()
            elif kind == "silent":
                self.silent, seconds = values
                _write_line(
                    f"{self.name(self.silent)} has given no sign of life in {seconds} seconds"
                )
            elif kind == "heard" and self.silent == values[0]:
                self.silent = None

    # ---- the end

    def end_with_lost(self, index: int) -> NoReturn:
        """Ends this process because another one is lost."""
        self._end_with(f"{self.name(index)} is lost; this one stops. {AGAIN}")

    def _end_with(self, message: str) -> NoReturn:
        """Without the end of the interpreter, which would wait for collectives."""
        _write_line(message)
        os._exit(LOST)

    def tell_stopped(self, reason: str, status: int) -> None:
        """Tells the others that this process ends with an error, and with which exit status."""
        self.ending, self.status = True, status
        with contextlib.suppress(OSError):
            self._wire.send("stopped", reason)

    def tell_done(self) -> None:
        """Leaves the others, when all is done."""
        self.ending = True
        with contextlib.suppress(OSError):
            self._wire.send("done")
            self._wire.connection.shutdown(socket.SHUT_RDWR)


def _write_line(message: str) -> None:
    """Past all buffers and locks, which another thread may hold."""
    start = "\n" if os.isatty(2) else ""  # a progress bar may stand there
    with contextlib.suppress(OSError):
        os.write(2, f"{start}nmt: {message}\n".encode(errors="replace"))


# ---- joining


def join(place: Place, seconds: float) -> tuple[Participant, int]:
    """Joins the other processes, and begins to listen.

    Args:
      place: where this process stands.
      seconds: in which all must have come.
    Returns:
      The participant, and the port of jax's service on the machine of the coordinator.
    Raises:
      NmtError: the processes do not find together.
    """
    if place.index == 0:
        _start_coordinator(place, seconds)
    wire, port = _enter(place, seconds)
    participant = Participant(place, wire)
    threading.Thread(target=participant.listen, name="processes", daemon=True).start()
    return participant, port


def _start_coordinator(place: Place, seconds: float) -> None:
    """Starts the child of the first process; its pipe ends with this process."""
    try:
        listener = _listen(place.port)
    except OSError as error:
        raise ConfigError(
            f"process 0 cannot listen at port {place.port}: {os.strerror(error.errno)}"
        ) from error
    arguments = [str(listener.fileno()), str(place.count), str(seconds)]
    here = str(Path(__file__).parents[2])  # where the package lies, installed or not
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    with listener:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "nmt.devices.coordinator", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path},
            process_group=0,  # Ctrl-C on the terminal is for the others
        )
    _children.append(child)


_children: list[subprocess.Popen] = []  # kept, because its pipe must not be closed


def _listen(port: int) -> socket.socket:
    """Listens at a port of every address of this machine."""
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):  # or the machine has IPv4 only
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096
            )
    return socket.create_server(("", port), backlog=4096)


def _enter(place: Place, seconds: float) -> tuple[Wire, int]:
    """Reports to the coordinator, and waits until all have."""
    address = f"{place.host}:{place.port}"
    start, said = time.monotonic(), False
    while True:
        try:
            return _try_to_enter(place, start + seconds + WAIT_SECONDS)
        except TimeoutError as error:
            reason = str(error)
        except OSError as error:
            reason = error.strerror or str(error)
        if place.index == 0 and (status := _children[-1].poll()) is not None:
            raise RunError(f"the coordinator of process 0 ended with status {status}")
        waited = time.monotonic() - start
        if waited > seconds:
            raise RunError(
                f"process {place.index} of {place.count} cannot reach the coordinator at "
                f"{address} in {seconds:g} seconds: {reason}"
            )
        if waited > WAIT_SECONDS and not said:
            said = True
            logger.info("waiting for the coordinator at %s: %s", address, reason)
        time.sleep(0.5)


def _try_to_enter(place: Place, deadline: float) -> tuple[Wire, int]:
    host = "localhost" if place.index == 0 else place.host.strip("[]")
    wire = Wire(socket.create_connection((host, place.port), timeout=5))
    try:
        wire.send("enter", place.index, place.count)
        try:
            kind, value = wire.receive(timeout=WAIT_SECONDS)
        except TimeoutError:
            logger.info("waiting for the other processes")
            kind, value = wire.receive(timeout=max(deadline - time.monotonic(), 1))
        if kind == "refused":
            raise RunError(f"process {place.index} of {place.count} was refused: {value}")
    except BaseException:
        wire.close()
        raise
    return wire, value
