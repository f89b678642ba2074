"""Several processes that train together: what they ask each other, and how they end.

    start_processes(flags)          # before jax is used
    with ending_together():
        seed = from_first(seed)
        first_alone(prepare)        # hours, if it must be
        agreement = Agreement()
        while not agreement.agreed(signal_came): ...

Values and waiting go through the coordinator (coordinator.py), where nothing times out; the
agreement is a collective, because it must not make the devices wait. A thread listens: where a
process is lost, or ends with an error, this one ends too, whatever it is doing. Collectives with a
process that is not there would wait for ever.
"""

import atexit
import contextlib
import logging
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from nmt.devices.clusters import Place, ProcessFlags, find_place
from nmt.devices.coordinator import HEARTBEAT_SECONDS, SHUTDOWN_SECONDS
from nmt.devices.wire import Wire
from nmt.errors import ConfigError, NmtError, RunError

__all__ = [
    "Agreement",
    "ProcessFlags",
    "ending_together",
    "first_alone",
    "from_first",
    "is_first",
    "several",
    "start_processes",
]

logger = logging.getLogger(__name__)

T = TypeVar("T")
START_SECONDS = 300.0  # in which all processes must come; machines do not start all at once
WAIT_SECONDS = 10  # after which waiting is said
ALIVE_SECONDS = 5  # between two signs of life
GRACE_SECONDS = 5  # in which a process may end by an error of its own
LOSS_SECONDS = 10  # in which the loss of a process is known, once a collective has failed for it
AGREE_CALLS = 3  # that an agreement is behind, so that nothing waits for it
NO_PROXY = "no_grpc_proxy"  # what gRPC reads: hosts inside a cluster, whose proxy leads outside
LOST = 1  # the exit status
AGAIN = "Start all of them again with the same command: training goes on from its last checkpoint"


class _Member:
    """This process among several; there is one at most."""

    def __init__(self, place: Place, wire: Wire):
        self.place, self.wire = place, wire
        self.words: queue.SimpleQueue[list] = queue.SimpleQueue()  # of the first process, in order
        self.num_words = 0
        self.silent: int | None = None  # a process that gives no sign of life
        self.ending = False

    def name(self, index: int) -> str:
        return f"process {index} of {self.place.count}"

    # ---- words of the first process

    def say(self, *word: Any) -> None:
        """What the first process lets the others know."""
        self.wire.send("word", self.num_words, *word)
        self.num_words += 1

    def hear(self) -> list:
        """Waits for the next word of the first process."""
        number, *word = self.words.get()
        assert number == self.num_words, "all processes ask the first one for the same"
        self.num_words += 1
        return word

    # ---- the thread that listens

    def listen(self) -> None:
        """Ends this process with another one."""
        while True:
            try:
                kind, *values = self.wire.receive(timeout=ALIVE_SECONDS)
            except TimeoutError:
                with contextlib.suppress(OSError):  # its end will be read
                    self.wire.send("alive")
                continue
            except OSError:
                if not self.ending:
                    self.end_with(f"{self.name(0)} is lost; this one stops. {AGAIN}")
                self.wire.close()
                return
            if kind == "word":
                self.words.put(values)
            elif kind == "lost":
                self.end_with(f"{self.name(values[0])} is lost; this one stops. {AGAIN}")
            elif kind == "stopped":
                index, reason = values
                message = f"{self.name(index)} has stopped: {reason}; this one stops too"
                threading.Timer(GRACE_SECONDS, self.end_with, [message]).start()
            elif kind == "silent":
                self.silent, seconds = values
                _write_line(f"{self.name(self.silent)} has given no sign of life in {seconds} seconds")

    def end_with(self, message: str) -> None:
        """Without the end of the interpreter, which would wait for collectives."""
        _write_line(message)
        os._exit(LOST)


_member: _Member | None = None


def several() -> bool:
    """Whether this process is one of several."""
    return _member is not None


def is_first() -> bool:
    """Whether this is the process that logs and writes; so is a single one."""
    return _member is None or _member.place.index == 0


# ---- beginning and end


def start_processes(flags: ProcessFlags, start_seconds: float = START_SECONDS) -> None:
    """Joins the other processes, before jax is used; a single process need not wait for any.

    Args:
      flags: where they say nothing, Slurm, a TPU pod or Open MPI do.
      start_seconds: in which all processes must have come.
    Raises:
      NmtError: the processes do not find together.
    """
    global _member
    assert _member is None, "once"
    place = find_place(flags, start_seconds)
    if place is None:
        return
    import jax

    if place.index == 0:
        _start_coordinator(place, start_seconds)
    wire, port = _enter(place, start_seconds)
    _member = _Member(place, wire)
    threading.Thread(target=_member.listen, name="processes", daemon=True).start()

    hosts = [os.environ.get(NO_PROXY, ""), place.host.strip("[]")]
    os.environ[NO_PROXY] = ",".join(filter(None, hosts))
    jax.config.update("jax_check_proxy_envs", False)
    # Its C++ handler of SIGTERM would take the place of ours; processes agree to stop otherwise.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            f"{place.host}:{port}",
            num_processes=place.count,
            process_id=place.index,
            local_device_ids=place.local_devices,
            cluster_detection_method="deactivate",
            initialization_timeout=int(start_seconds),
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=SHUTDOWN_SECONDS,
            coordinator_bind_address="127.0.0.1:0",  # a service that none uses: ours is elsewhere
        )
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"jax cannot join the processes at {place.host}:{port}: {reason}") from error


@contextlib.contextmanager
def ending_together() -> Iterator[None]:
    """Around all that several processes do: none ends well, or with an error, without the others.

    Where a collective fails because a process is lost, the body raises some error of XLA or Orbax;
    it never gets further than here, because this process ends with the line that says so.
    """
    try:
        yield
    except BaseException as error:
        if _member is not None:
            _stop(_member, error)
        raise
    if _member is not None:
        _finish(_member)


def _finish(member: _Member) -> None:
    """Waits for all others to come to their end, too."""
    global _member
    import jax

    jax.distributed.shutdown()
    member.ending = True
    with contextlib.suppress(OSError):
        member.wire.send("done")
        member.wire.connection.shutdown(socket.SHUT_RDWR)
    _member = None


def _stop(member: _Member, error: BaseException) -> None:
    """Tells the others that this process ends, and has it end whatever its devices wait for."""
    if _is_of_runtime(error):
        time.sleep(LOSS_SECONDS)  # rarely over: `listen` hears of the loss before
        if member.silent is not None:
            member.end_with(f"{member.name(member.silent)} is lost; this one stops. {AGAIN}")
    member.ending = True
    with contextlib.suppress(OSError):
        member.wire.send("stopped", _reason(error))
    atexit.register(_exit, _status(error))  # the last to be registered is the first to be called


def _is_of_runtime(error: BaseException | None) -> bool:
    """Whether an error of XLA, as a failed collective raises, is at the bottom of it."""
    import jax

    while error is not None:
        if isinstance(error, jax.errors.JaxRuntimeError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _reason(error: BaseException) -> str:
    """What the other processes tell of an error, on one line."""
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    message = " ".join(str(error).split())[:1000]
    return message if isinstance(error, NmtError) else f"{type(error).__name__}: {message}"


def _status(error: BaseException) -> int:
    """With which the command line answers this error."""
    if isinstance(error, NmtError | OSError):
        return 2
    if isinstance(error, KeyboardInterrupt):
        return 128 + getattr(error, "signal_number", 2)
    return 1


def _exit(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)


def _write_line(message: str) -> None:
    """Past all buffers and locks, which another thread may hold."""
    start = "\n" if os.isatty(2) else ""  # a progress bar may stand there
    with contextlib.suppress(OSError):
        os.write(2, f"{start}nmt: {message}\n".encode(errors="replace"))


# ---- finding together


def _start_coordinator(place: Place, start_seconds: float) -> None:
    """Starts the child of the first process; its pipe ends with this process."""
    try:
        listener = _listen(place.port)
    except OSError as error:
        raise ConfigError(
            f"process 0 cannot listen at port {place.port}: {error.strerror or error}"
        ) from error
    arguments = [str(listener.fileno()), str(place.count), str(start_seconds)]
    with listener:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "nmt.devices.coordinator", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
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
    """Reports to the coordinator, and waits until all have.

    Returns:
      The connection, and the port of jax's service.
    """
    address = f"{place.host}:{place.port}"
    start, said = time.monotonic(), False
    while True:
        try:
            return _try_to_enter(place, start + seconds + WAIT_SECONDS)
        except TimeoutError as error:
            reason = str(error)
        except OSError as error:
            reason = error.strerror or str(error)
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
    except BaseException:
        wire.close()
        raise
    if kind == "refused":
        raise RunError(f"process {place.index} of {place.count} was refused: {value}")
    return wire, value


# ---- together


def first_alone(action: Callable[[], T]) -> T | None:
    """The first process acts while the others wait, as long as it takes.

    Args:
      action: what only one may do, such as to write files that all will read.
    Returns:
      What the action returns on the first process, None on the others.
    Raises:
      RunError: on the others, where the action has raised on the first.
    """
    if _member is None:
        return action()
    if not is_first():
        (reason,) = _member.hear()
        if reason is not None:
            raise RunError(f"{_member.name(0)} has stopped: {reason}")
        return None
    try:
        result = action()
    except BaseException as error:
        _member.say(_reason(error))
        raise
    _member.say(None)
    return result


def from_first(value: int) -> int:
    """The value of the first process, on all."""
    if _member is None:
        return value
    if is_first():
        _member.say(value)
        return value
    return _member.hear()[0]


class Agreement:
    """Lets all processes stop at the same step, soon after one of them wants to.

    Whether any wants to is a collective of all devices, started at one call and read AGREE_CALLS
    later. By then it is done, and neither devices nor processes have waited.
    """

    def __init__(self):
        """All processes call this at the same point."""
        self._results: deque = deque()
        if _member is None:
            return
        import jax
        import numpy as np
        from jax.sharding import AxisType, NamedSharding, PartitionSpec

        devices = jax.devices()
        mesh = jax.make_mesh(
            (len(devices),), ("all",), axis_types=(AxisType.Auto,), devices=devices
        )
        each, whole = (
            NamedSharding(mesh, PartitionSpec("all")),
            NamedSharding(mesh, PartitionSpec()),
        )
        votes = {flag: np.full(len(devices), flag) for flag in (False, True)}
        self._votes = {
            flag: jax.make_array_from_callback(vote.shape, each, vote.__getitem__)
            for flag, vote in votes.items()
        }
        self._any = jax.jit(jax.numpy.any, out_shardings=whole)

    def agreed(self, flag: bool) -> bool:
        """Whether all are to stop now; called equally often by all processes.

        Args:
          flag: whether this process wants to.
        """
        if _member is None:
            return flag
        self._results.append(self._any(self._votes[bool(flag)]))
        if len(self._results) <= AGREE_CALLS:
            return False
        return bool(self._results.popleft().addressable_data(0))
