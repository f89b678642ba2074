"""The model of a run, for the commands that translate with it; jax is not imported before."""

import contextlib
import hashlib
import json
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from nmt.devices.compiled_programs import use_compilation_cache
from nmt.devices.ending import ENDING_SIGNALS
from nmt.runs.directory import RunDirectory
from nmt.runs.seeds import ENSEMBLE, Choice, chosen

if TYPE_CHECKING:
    from nmt.decoding.translator import Translator
    from nmt.runs.manifest import Manifest


class FoundCheckpoint(NamedTuple):
    """A checkpoint of a run.

    Attributes:
      step: its own, or "average" for that of `nmt average`.
      averaged: the steps that it is the mean of; none for any other.
      fingerprint: of its files; it tells this checkpoint from any other of the same step.
      item: in which the weights are.
      seed: which model of a run of several seeds, or "ensemble" for all as one; None of one seed.
    """

    step: int | str
    averaged: tuple[int, ...]
    fingerprint: str
    item: str
    seed: int | str | None = None


def find_checkpoint(run: RunDirectory, checkpoint: str, seed: Choice = None) -> FoundCheckpoint:
    """Finds the checkpoint that the user names.

    Args:
      run: that has it.
      checkpoint: "best", "last", "average" or the number of a step.
      seed: which model of a run of several seeds, or "ensemble"; the first when None.
    Raises:
      RunError: where there is no such checkpoint or model.
    """
    training = run.read_config().training
    wanted = chosen(run, training, seed)
    with signals_put_off():
        use_compilation_cache()
        from nmt.runs.checkpoints import Checkpoints
    checkpoints = Checkpoints(run.checkpoints)
    step, item = checkpoints.resolve(checkpoint)
    manifest = checkpoints.manifest(step)
    model = ENSEMBLE if len(wanted) > 1 else training.seeds[wanted[0]]
    return FoundCheckpoint(
        step,
        manifest.averaged,
        _fingerprint(manifest),
        item,
        seed=None if training.num_seeds == 1 else model,
    )


def _fingerprint(manifest: "Manifest") -> str:
    files = sorted((name, entry.sha256) for name, entry in manifest.files.items())
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def load_translator(run: RunDirectory, checkpoint: str, seed: Choice = None) -> "Translator":
    """Opens a run to translate with it.

    Args:
      run: with a vocabulary and a checkpoint.
      checkpoint, seed: as in `find_checkpoint`.
    Raises:
      NmtError: one of them is missing or damaged, or the checkpoint is of another model.
    """
    with signals_put_off():
        use_compilation_cache()
        from nmt.decoding.loading import load
    return load(run.path, checkpoint, seed=seed)


def load_found(run: RunDirectory, found: FoundCheckpoint) -> "Translator":
    """As `load_translator`, of a checkpoint that was found, whatever has been saved since."""
    with signals_put_off():
        use_compilation_cache()
        from nmt.decoding.loading import load_found
    return load_found(run, found.step, found.item, seed=found.seed)


@contextlib.contextmanager
def signals_put_off() -> Iterator[None]:
    """Lets signals that end wait for the end of a block of imports, which take seconds.

    An exception in the midst of an import may be swallowed by what is imported, or come out as
    another one, with a traceback. Does nothing outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    for number in before:
        signal.signal(number, lambda number, frame: received.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])
