"""Several processes that train together: what they ask each other, and how they end.

    start_processes(flags)          # before jax is used
    with ending_together():
        seed = from_first(seed)
        first_alone(prepare)        # hours, if it must be
        agreement = Agreement()
        while not agreement.agreed(signal_came): ...

Values and waiting go through the coordinator (coordinator.py), where nothing times out; the
agreement is a collective, because it must not make the devices wait. A thread listens
(participant.py): where a process is lost, or ends with an error, this one ends too, whatever it is
doing. Collectives with a process that is not there would wait for ever.
"""

import atexit
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from nmt.devices.clusters import ProcessFlags, find_place
from nmt.devices.coordinator import HEARTBEAT_SECONDS, SHUTDOWN_SECONDS
from nmt.devices.ending import exit_at_once
from nmt.devices.participant import Participant, join
from nmt.errors import NmtError, RunError, is_out_of_memory

__all__ = [
    "Agreement",
    "ProcessFlags",
    "connect",
    "ending_together",
    "first_alone",
    "from_first",
    "is_first",
    "several",
    "start_processes",
    "wait_for_all",
]

if TYPE_CHECKING:
    from jax.sharding import Mesh

T = TypeVar("T")
START_SECONDS = 300.0  # in which all processes must come; machines do not start all at once
LOSS_SECONDS = 10  # in which the loss of a process is known, once a collective has failed for it
AGREE_CALLS = 3  # that an agreement is behind, so that nothing waits for it
NO_PROXY = "no_grpc_proxy"  # what gRPC reads: hosts inside a cluster, whose proxy leads outside


_participant: Participant | None = None


def several() -> bool:
    """Whether this process is one of several."""
    return _participant is not None


def is_first() -> bool:
    """Whether this is the process that logs and writes; so is a single one."""
    return _participant is None or _participant.place.index == 0


# ---- beginning and end


def start_processes(flags: ProcessFlags, start_seconds: float = START_SECONDS) -> None:
    """Joins the other processes, before jax is used; a single process need not wait for any.

    Args:
      flags: where they say nothing, Slurm, a TPU pod or Open MPI do.
      start_seconds: in which all processes must have come.
    Raises:
      NmtError: the processes do not find together.
    """
    global _participant
    assert _participant is None, "once"
    place = find_place(flags, start_seconds)
    if place is None:
        return
    import jax

    _participant, port = join(place, start_seconds)
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
    it never gets further than here, because this process ends with the line that says so. An
    exception for a signal, which has a `signal_number`, is an error of this process alone, except
    where an Agreement has come before it: then all have come here, and wait for each other.
    """
    try:
        yield
    except BaseException as error:
        if _participant is not None:
            if _participant.agreed and _is_of_signal(error):
                _finish(_participant)
            else:
                _stop(_participant, error)
        raise
    if _participant is not None:
        _finish(_participant)


def _finish(participant: Participant) -> None:
    """Waits for all others to come to their end, too."""
    global _participant
    import jax

    try:
        jax.distributed.shutdown()
    except jax.errors.JaxRuntimeError as error:
        _stop(participant, error)
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"the processes did not end together: {reason}") from error
    participant.tell_done()
    _participant = None


def _stop(participant: Participant, error: BaseException) -> None:
    """Tells the others that this process ends, and has it end whatever its devices wait for."""
    if _is_of_runtime(error):
        time.sleep(LOSS_SECONDS)  # rarely over: `listen` hears of the loss before
        if participant.silent is not None:
            participant.end_with_lost(participant.silent)
    participant.tell_stopped(_reason(error), _status(error))
    # The last to be registered is the first to be called.
    atexit.register(exit_at_once, _status(error))


def _is_of_signal(error: BaseException) -> bool:
    """Whether a signal was waited for and answered; KeyboardInterrupt comes at any point."""
    return hasattr(error, "signal_number") and not isinstance(error, KeyboardInterrupt)


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
    if _is_of_signal(error):
        return str(error)
    message = " ".join(str(error).split())[:1000]
    return message if isinstance(error, NmtError) else f"{type(error).__name__}: {message}"


def _status(error: BaseException) -> int:
    """With which the command line answers this error."""
    if isinstance(error, NmtError | OSError) or is_out_of_memory(error):
        return 2
    if isinstance(error, KeyboardInterrupt) or _is_of_signal(error):
        return 128 + getattr(error, "signal_number", signal.SIGINT)
    return 1


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
    if _participant is None:
        return action()
    if not is_first():
        (reason,) = _participant.hear()
        if reason is not None:
            raise RunError(f"{_participant.name(0)} has stopped: {reason}")
        return None
    try:
        result = action()
    except BaseException as error:
        _participant.say(_reason(error))
        raise
    _participant.say(None)
    return result


def from_first(value: int) -> int:
    """The value of the first process, on all."""
    if _participant is None:
        return value
    if is_first():
        _participant.say(value)
        return value
    return _participant.hear()[0]


def wait_for_all() -> None:
    """Returns when all processes have called it, however long that takes.

    The first collective of a group of devices gives up where some of them come half a minute after
    others (gloo) or more (NCCL). What takes processes differently long, as compilation does where
    only some of them have the program in their cache, must end in this before it.
    """
    if _participant is not None:
        _participant.wait_for_all()


def connect(mesh: "Mesh") -> None:
    """Connects the devices of each row and column of a mesh; all processes call it.

    Else the first step of training would, to which processes come at times of their own; see
    `wait_for_all`.
    """
    if _participant is None:
        return
    import jax
    import numpy as np
    from jax.sharding import NamedSharding, PartitionSpec

    everywhere = PartitionSpec()
    one = np.ones((), np.int32)
    one = jax.make_array_from_callback((), NamedSharding(mesh, everywhere), one.__getitem__)
    for axis in mesh.axis_names:
        add_up = jax.shard_map(
            lambda value, axis=axis: jax.lax.psum(value, axis),
            mesh=mesh,
            in_specs=everywhere,
            out_specs=everywhere,
            check_vma=False,  # the value is on all devices, and what is added up is their number
        )
        compiled = jax.jit(add_up).lower(one).compile()
        wait_for_all()
        jax.block_until_ready(compiled(one))


class Agreement:
    """Lets all processes stop at the same step, soon after one of them wants to.

    Whether any wants to is a collective of all devices, started at one call and read AGREE_CALLS
    later. By then it is done, and neither devices nor processes have waited.
    """

    def __init__(self):
        """All processes call this at the same point, and wait for each other there."""
        self._results: deque = deque()
        if _participant is None:
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
        self._any = jax.jit(jax.numpy.any, out_shardings=whole).lower(self._votes[False]).compile()
        wait_for_all()
        jax.block_until_ready(self._any(self._votes[False]))  # makes the connections

    def agreed(self, flag: bool) -> bool:
        """Whether all are to stop now; called equally often by all processes.

        Args:
          flag: whether this process wants to.
        """
        if _participant is None:
            return flag
        self._results.append(self._any(self._votes[bool(flag)]))
        if len(self._results) <= AGREE_CALLS:
            return False
        agreed = bool(self._results.popleft().addressable_data(0))
        _participant.agreed = _participant.agreed or agreed
        return agreed
