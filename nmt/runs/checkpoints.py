"""Orbax behind our own small face: checkpoints that are whole and verified, or do not exist.

    checkpoints = Checkpoints(run.checkpoints, keep_last=3)
    checkpoints.save(step, {"params": params, "training": state}, score=bleu)
    step = checkpoints.latest()
    restored = checkpoints.restore(step, like={"params": params, "training": state})

A checkpoint is made in `.unfinished/STEP`, where Orbax writes the arrays of each item and we the
manifest; renaming that folder to `STEP` is what makes it exist. Every array is stored under a flat
name (encoder.W.kernel), so that no class is needed, nor unpickled, to read it back.
"""

import logging
import math
import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nmt.errors import RunError, nearest
from nmt.runs.directory import sync_folder
from nmt.runs.flat import differences, leaves_by_name, placed, snapshot
from nmt.runs.manifest import (
    ArrayEntry,
    Manifest,
    describe_files,
    read_manifest,
    verify_files,
    write_manifest,
)

logger = logging.getLogger(__name__)

AVERAGE = "average"  # the item with the moving average of the weights
PARAMS = "params"
MOST_NAMED = 8  # arrays in one error message


class Checkpoints:
    """The checkpoints of one run.

    Saving copies the arrays and returns; a thread does the rest. With several processes all of them
    save, and the first writes the manifest.
    """

    def __init__(self, folder: Path | str, *, keep_last: int = 3):
        """Args: the run's checkpoints folder, and how many of the last regular ones to keep."""
        assert keep_last >= 1
        self.folder = Path(folder).absolute()
        self.keep_last = keep_last
        self._unfinished = self.folder / ".unfinished"
        self._named: set[int] = set()  # damaged steps that a warning has named
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints")
        self._pending: Future | None = None
        self._checkpointer = None

    # ---- saving

    def save(
        self,
        step: int,
        items: dict[str, Any],
        *,
        score: float | None = None,
        interrupted: bool = False,
    ) -> None:
        """Saves pytrees of arrays; returns once they are copied, so that they may be donated.

        Args:
          step: updates done.
          items: a pytree of jax or numpy arrays, or of numbers, by name.
          score: of the validation at this step, higher is better.
          interrupted: it serves resuming only: it is never the best, nor among the last, and the
            next regular checkpoint removes it.
        Raises:
          RunError: where this or the previous checkpoint cannot be written; older ones stay whole.
        """
        self.wait()
        if interrupted and step in self.steps():
            return  # all of it is safe already, with its score
        score = None if score is None or not math.isfinite(score) else float(score)
        arrays = {name: snapshot(tree) for name, tree in items.items()}
        manifest = Manifest(
            step=step,
            score=score,
            interrupted=interrupted,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            items={name: tuple(entries) for name, entries in arrays.items()},
            files={},
        )
        self._write(step, lambda: self._start_writing(step, arrays))
        self._pending = self._thread.submit(self._write, step, lambda: self._finish(manifest))

    def wait(self) -> None:
        """Returns when the last checkpoint is whole.

        Raises:
          RunError: where it could not be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Waits, and lets the threads go."""
        try:
            self.wait()
        finally:
            self._thread.shutdown()
            if self._checkpointer is not None:
                self._checkpointer.close()

    def _write(self, step: int, action: Callable[[], None]) -> None:
        """Tells any failure to write, Orbax's own included, in one line."""
        try:
            action()
        except Exception as error:
            self._checkpointer = None  # after a failure it would report the same one again
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
            raise RunError(f"cannot write checkpoint {step} in {self.folder}: {reason}") from error

    def _start_writing(self, step: int, arrays: dict[str, dict[ArrayEntry, Any]]) -> None:
        ocp = _orbax()
        if jax.process_index() == 0:
            shutil.rmtree(self._unfinished, ignore_errors=True)
            self._unfinished.mkdir(parents=True)
        if self._checkpointer is None:
            self._checkpointer = ocp.AsyncCheckpointer(ocp.CompositeCheckpointHandler())
        stored = {name: _stored(entries) for name, entries in arrays.items()}
        saves = {name: ocp.args.PyTreeSave(tree) for name, tree in stored.items() if tree}
        assert saves, "a checkpoint needs an array"
        self._checkpointer.save(self._unfinished / str(step), ocp.args.Composite(**saves))

    def _finish(self, manifest: Manifest) -> None:
        """In the thread: waits for Orbax, then makes the checkpoint exist and retires others."""
        self._checkpointer.wait_until_finished()
        if jax.process_index() != 0:
            return
        made, final = self._unfinished / str(manifest.step), self._folder(manifest.step)
        files = describe_files(made)
        write_manifest(made, Manifest(**{**vars(manifest), "files": files}))
        self._remove(manifest.step)  # one that is damaged, interrupted, or had no score
        made.rename(final)
        sync_folder(self.folder)
        if not manifest.interrupted:
            self._named.discard(manifest.step)
            self._retire()

    def _retire(self) -> None:
        """Keeps the last regular checkpoints and the best; removes all else, damaged ones too."""
        regular = [m for m in self._manifests() if not m.interrupted and m.step not in self._named]
        keep = {manifest.step for manifest in regular[-self.keep_last :]}
        keep |= {manifest.step for manifest in _best_first(regular)[:1]}
        for step in self._folders():
            if step not in keep:
                self._remove(step)

    def _remove(self, step: int) -> None:
        """Renames first: a checkpoint is never seen half removed."""
        if self._folder(step).exists():
            gone = self._unfinished / f"removed-{step}"
            self._folder(step).rename(gone)
            shutil.rmtree(gone)

    # ---- finding

    def steps(self) -> list[int]:
        """The regular checkpoints, in order; only their manifests are verified here."""
        return [manifest.step for manifest in self._manifests() if not manifest.interrupted]

    def latest(self) -> int | None:
        """The last whole checkpoint, interrupted ones included: where a run resumes.

        Every file is verified. A checkpoint that is damaged or was not finished is named in a
        warning and passed over.
        """
        for leftover in sorted(self._unfinished.glob("[0-9]*")):
            step = re.match(r"[0-9]+", leftover.name)[0]
            logger.warning("checkpoint %s was not finished and is passed over", step)
        return self._first_whole(reversed(self._folders()))

    def best(self) -> int | None:
        """The regular checkpoint with the best score, the earlier one of equals."""
        regular = [manifest for manifest in self._manifests() if not manifest.interrupted]
        return self._first_whole(manifest.step for manifest in _best_first(regular))

    def resolve(self, which: str) -> tuple[int, str]:
        """Finds what the user calls "best", "last", "average" or by its step.

        The item is the average of the weights where the run keeps one, because that is what
        validation scored. Without any score the best is the last.

        Returns:
          The step, and the item that holds the weights.
        Raises:
          RunError: where there is no such checkpoint.
        """
        steps = self.steps()
        if which in ("best", "last", AVERAGE):
            step = self.best() if which == "best" else None
            step = self._first_whole(reversed(steps)) if step is None else step
        else:
            folders = {str(step): step for step in self._folders()}
            step = folders.get(which)
        if step is None:
            legal = (
                ["best", "last", AVERAGE, *map(str, steps)] if steps else map(str, self._folders())
            )
            missing = f"checkpoint {which}" if steps else "finished checkpoint"
            raise RunError(f"run {self.folder.parent} has no {missing}{nearest(which, legal)}")
        items = self._manifest(step).items
        if which == AVERAGE and AVERAGE not in items:
            raise RunError(
                f"run {self.folder.parent} keeps no average of its weights "
                "(training.average_decay is null)"
            )
        return step, AVERAGE if AVERAGE in items else PARAMS

    # ---- reading

    def restore(self, step: int, like: dict[str, Any]) -> dict[str, Any]:
        """Reads items back, bit for bit.

        Args:
          step: of a checkpoint.
          like: the wanted items: pytrees whose leaves are arrays, `jax.ShapeDtypeStruct` or
            numbers. A leaf that is on devices, or has a sharding, is restored onto these devices,
            whatever it was saved from; any other as numpy or as a number.
        Returns:
          Pytrees of the same structure.
        Raises:
          RunError: where the checkpoint is damaged, or names every array that differs.
        """
        manifest = self._verified(step)
        wanted = {name: leaves_by_name(tree) for name, tree in like.items()}
        came = {name: {e.name: e for e in manifest.items.get(name, ())} for name in like}
        differing = [text for name in like for text in differences(name, wanted[name], came[name])]
        if differing:
            named = "; ".join(differing[:MOST_NAMED])
            more = len(differing) - MOST_NAMED
            raise RunError(
                f"checkpoint {step} of run {self.folder.parent} is of another model: {named}"
                + (f"; and {more} more" if more > 0 else "")
            )
        restored = {}
        for name, tree in like.items():
            values = self._read(step, name, manifest.items.get(name, ()))
            leaves = [placed(values[key], leaf) for key, leaf in wanted[name].items()]
            restored[name] = jax.tree.unflatten(jax.tree.structure(tree), leaves)
        return restored

    def load_item(self, step: int, name: str) -> dict[str | int, Any]:
        """Reads one item as nested dictionaries of numpy arrays, and verifies no other.

        Raises:
          RunError: where the item is missing or damaged.
        """
        manifest = self._verified(step, name)
        if name not in manifest.items:
            raise RunError(f"checkpoint {step} has no item {name}{nearest(name, manifest.items)}")
        values = self._read(step, name, manifest.items[name])
        nested: dict[str | int, Any] = {}
        for entry in manifest.items[name]:
            node = nested
            for key in entry.keys[:-1]:
                node = node.setdefault(key, {})
            node[entry.keys[-1]] = values[entry.name]
        return nested

    def load_weights(self, which: str = "best") -> dict[str | int, Any]:
        """Reads the parameters for translation: see `resolve` and `load_item`."""
        return self.load_item(*self.resolve(which))

    def _read(self, step: int, item: str, entries: Sequence[ArrayEntry]) -> dict[str, np.ndarray]:
        """The arrays of an item, by name."""
        ocp = _orbax()
        stored = {e.name: 0 for e in entries if 0 not in e.shape}
        values = {e.name: np.zeros(e.shape, jax.numpy.dtype(e.dtype)) for e in entries}
        if stored:
            as_numpy = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in stored}
            wanted = ocp.args.PyTreeRestore(item=stored, restore_args=as_numpy)
            with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as reader:
                values |= reader.restore(self._folder(step), ocp.args.Composite(**{item: wanted}))[
                    item
                ]
        return values

    # ---- folders and manifests

    def _folder(self, step: int) -> Path:
        return self.folder / str(step)

    def _folders(self) -> list[int]:
        """Steps that have a folder, whatever is in it, in order."""
        names = [path.name for path in self.folder.glob("[0-9]*")]
        return sorted(int(name) for name in names if re.fullmatch(r"0|[1-9][0-9]{0,17}", name))

    def _manifest(self, step: int) -> Manifest:
        manifest = read_manifest(self._folder(step))
        if manifest.step != step:
            raise RunError(f"it is a copy of checkpoint {manifest.step}")
        return manifest

    def _manifests(self) -> list[Manifest]:
        """The manifests that are whole, in order of step."""
        manifests = []
        for step in self._folders():
            try:
                manifests.append(self._manifest(step))
            except RunError as error:
                self._name(step, error)
        return manifests

    def _verified(self, step: int, item: str | None = None) -> Manifest:
        try:
            manifest = self._manifest(step)
            verify_files(self._folder(step), manifest, item)
        except RunError as error:
            raise RunError(
                f"checkpoint {step} of run {self.folder.parent} is damaged: {error}"
            ) from None
        return manifest

    def _first_whole(self, steps) -> int | None:
        for step in steps:
            try:
                verify_files(self._folder(step), self._manifest(step))
            except RunError as error:
                self._name(step, error)
            else:
                return step
        return None

    def _name(self, step: int, error: RunError) -> None:
        if step not in self._named:
            logger.warning("checkpoint %d is damaged and passed over: %s", step, error)
            self._named.add(step)


def _best_first(manifests: Sequence[Manifest]) -> list[Manifest]:
    scored = [manifest for manifest in manifests if manifest.score is not None]
    return sorted(scored, key=lambda manifest: (-manifest.score, manifest.step))


def _stored(entries: dict[ArrayEntry, Any]) -> dict[str, Any]:
    """What Orbax is given: it refuses arrays of size zero, of which the manifest knows all."""
    return {entry.name: value for entry, value in entries.items() if 0 not in entry.shape}


def _orbax():
    """Orbax, imported when it is needed because that takes seconds, and kept quiet.

    Its progress and the tracebacks of its threads go to the logger "absl"; failures reach us as
    exceptions, which we tell in one line.
    """
    import orbax.checkpoint

    logging.getLogger("absl").addFilter(_not_from_orbax)  # adding it again changes nothing
    return orbax.checkpoint


def _not_from_orbax(record: logging.LogRecord) -> bool:
    return "orbax" not in record.pathname
