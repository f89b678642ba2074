"""The model of a run, for the commands that translate with it; jax is not imported before."""

import contextlib
import hashlib
import json
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from nmt.devices.compiled_programs import use_compilation_cache
from nmt.runs.directory import RunDirectory

if TYPE_CHECKING:
    from nmt.decoding.translator import Translator
    from nmt.runs.manifest import Manifest


class FoundCheckpoint(NamedTuple):
    """A checkpoint of a run.

    Attributes:
      step: its own, or "average" for that of `nmt average`.
      averaged: the steps that it is the mean of; none for any other.
      fingerprint: of its files; it tells this checkpoint from any other of the same step.
    """

    step: int | str
    averaged: tuple[int, ...]
    fingerprint: str


def find_checkpoint(run: RunDirectory, checkpoint: str) -> FoundCheckpoint:
    """Finds the checkpoint that the user names.

    Args:
      run: that has it.
      checkpoint: "best", "last", "average" or the number of a step.
    Raises:
      RunError: where there is no such checkpoint.
    """
    use_compilation_cache()
    with signals_put_off():
        from nmt.runs.checkpoints import Checkpoints
    checkpoints = Checkpoints(run.checkpoints)
    step, _ = checkpoints.resolve(checkpoint)
    manifest = checkpoints.manifest(step)
    return FoundCheckpoint(step, manifest.averaged, _fingerprint(manifest))


def _fingerprint(manifest: "Manifest") -> str:
    files = sorted((name, entry.sha256) for name, entry in manifest.files.items())
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def load_translator(run: RunDirectory, checkpoint: str) -> "Translator":
    """Opens a run to translate with it.

    Args:
      run: with a vocabulary and a checkpoint.
      checkpoint: as in `find_checkpoint`.
    Raises:
      NmtError: one of them is missing or damaged, or the checkpoint is of another model.
    """
    use_compilation_cache()
    with signals_put_off():
        from nmt.decoding.translator import load
    return load(run.path, checkpoint)


@contextlib.contextmanager
def signals_put_off() -> Iterator[None]:
    """Lets SIGINT and SIGTERM wait for the end of a block of imports, which take seconds.

    An exception in the midst of an import may be swallowed by what is imported, or come out as
    another one, with a traceback. Does nothing outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, frame: received.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])
