"""Orbax behind our own small face: checkpoints that are whole and verified, or do not exist.

    checkpoints = Checkpoints(run.checkpoints, keep_last=3)
    checkpoints.save(step, {"params": params, "training": state}, score=bleu)
    step = checkpoints.latest()
    restored = checkpoints.restore(step, like={"params": params, "training": state})

Every array is stored under a flat name (encoder.W.kernel), so that no class is needed, nor
unpickled, to read it back. How a checkpoint comes to exist: saving.py; what makes it whole:
manifest.py; what is in its files: storage.py.
"""

import contextlib
import logging
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nmt.devices.processes import from_first, is_first
from nmt.errors import RunError, nearest
from nmt.runs.flat import differences, leaves_by_name, placed
from nmt.runs.manifest import (
    AVERAGE,
    Manifest,
    NewerFormat,
    Unreadable,
    read_manifest,
    verify_files,
)
from nmt.runs.saving import Saver
from nmt.runs.storage import read_arrays

logger = logging.getLogger(__name__)

PARAMS = "params"
MOVING_AVERAGE = "average"  # the item with the moving average of the weights, where there is one
BEST = "best"  # of several seeds: the item with each one's weights at its own best validation
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
        self._named: set[int | str] = set()  # damaged ones that a warning has named
        self._saver = Saver(self.folder, self._exists)

    # ---- saving

    def save(
        self,
        step: int,
        items: dict[str, Any],
        *,
        score: float | None = None,
        interrupted: bool = False,
        seconds: float = 0.0,
    ) -> None:
        """Saves pytrees of arrays; returns once they are copied, so that they may be donated.

        Args:
          step: updates done.
          items: a pytree of jax or numpy arrays, or of numbers, by name.
          score: of the validation at this step, higher is better.
          interrupted: it serves resuming only: it is never the best, nor among the last, and the
            next regular checkpoint removes it.
          seconds: of training so far.
        Raises:
          RunError: where this checkpoint cannot be written, or the one before it could not be;
            older ones stay whole. An interrupted one is written all the same, and may be the last.
        """
        try:
            self.wait()
        except RunError as error:
            if not interrupted:
                raise
            logger.warning("%s", error)
        # Processes may see a shared folder at different times, and must save together.
        if interrupted and from_first(int(is_first() and self.has_regular(step))):
            return  # all of it is safe already, with its score
        score = None if score is None or not math.isfinite(score) else float(score)
        previous = self._previous(step)
        manifest = Manifest(
            step, score, interrupted, _now(), {}, {}, seconds=seconds, previous=previous
        )
        self._saver.start(manifest, items)

    def save_average(self, steps: Sequence[int], params: Any) -> None:
        """Saves the mean of the weights of checkpoints; see nmt/runs/averaging.py.

        Args:
          steps: of these checkpoints, in order.
          params: the mean.
        Raises:
          RunError: as `save` does.
        """
        manifest = Manifest(steps[-1], None, False, _now(), {}, {}, averaged=tuple(steps))
        self._saver.start(manifest, {PARAMS: params})

    def has_regular(self, step: int) -> bool:
        """Whether a regular checkpoint of a step exists that was not found damaged.

        One that cannot be read now counts, too: it may be whole.
        """
        if step not in self._folders() or step in self._named:
            return False
        try:
            return self._is_regular(step)
        except Unreadable:
            return True

    def _previous(self, step: int) -> int | None:
        """The step of the last such checkpoint before one; None where there is none."""
        with contextlib.suppress(Unreadable):  # of the folder
            earlier = (other for other in reversed(self._folders()) if other < step)
            return next(filter(self.has_regular, earlier), None)
        return None

    def check(self) -> None:
        """Returns at once, whether or not the last checkpoint is whole by now.

        Raises:
          RunError: where it could not be written.
        """
        self._saver.check()

    def wait(self) -> None:
        """Returns when the last checkpoint is whole, for every process.

        Raises:
          RunError: where it could not be written.
        """
        self._saver.wait()

    def close(self) -> None:
        """Waits, and lets the threads go."""
        self._saver.close()

    def _exists(self, manifest: Manifest) -> None:
        """A regular checkpoint has come to be, as the saver tells from its thread."""
        if not manifest.interrupted and not manifest.averaged:
            self._named.discard(manifest.step)
            try:
                self._retire(manifest.step)
            except Unreadable as error:  # it may be the best
                logger.warning("%s; no checkpoint is removed now", error)

    def _retire(self, saved: int) -> None:
        """Keeps the last regular checkpoints and the best; removes all else, damaged ones too."""
        regular = self._good()
        keep = {saved} | {manifest.step for manifest in regular[-self.keep_last :]}
        keep |= {manifest.step for manifest in _best_first(regular)[:1]}
        for step in self._folders():
            if step not in keep:
                self._saver.remove(str(step))

    # ---- finding

    def steps(self) -> list[int]:
        """The regular checkpoints, in order; only their manifests are verified here."""
        return [manifest.step for manifest in self._regular()]

    def latest(self) -> int | None:
        """The last whole checkpoint, interrupted ones included: where a run resumes.

        Every file is verified. A checkpoint that is damaged or was not finished is named in a
        warning and passed over. The first process alone calls it, while the run is locked.

        Raises:
          Unreadable: one cannot be read, and may be whole.
        """
        self._saver.settle()
        for leftover in sorted(self._saver.unfinished.glob("[0-9]*")):
            step = re.match(r"[0-9]+", leftover.name)[0]
            logger.warning("checkpoint %s was not finished and is passed over", step)
        return self._first_whole(reversed(self._folders()))

    def best(self) -> int | None:
        """The regular checkpoint with the best score, the earlier one of equals; see `latest`."""
        return self._first_whole(manifest.step for manifest in _best_first(self._regular()))

    def last(self, number: int) -> list[int]:
        """The last regular checkpoints that are whole, at most so many, in order.

        An older one that is kept for its score is not among them, even where `keep_last` has grown.
        """
        manifests = {manifest.step: manifest for manifest in self._manifests()}
        regular = [s for s in self._folders() if s not in manifests or not manifests[s].interrupted]
        with_older = list(zip([None, *regular], regular, strict=False))
        found: list[int] = []
        for older, step in reversed(with_older[-self.keep_last :]):
            if len(found) < number and self._first_whole([step]) is not None:
                found.insert(0, step)
            previous = manifests[step].previous if step in manifests else None
            if previous not in (None, older):  # others were between the two, and are gone
                break
        return found

    def resolve(self, which: str | int) -> tuple[int | str, str]:
        """Finds what the user calls "best", "last", "average" or by its step.

        The item is the moving average of the weights where the run keeps one, because that is what
        validation scored. Without any score the best is the last. Of several seeds every checkpoint
        holds the best weights of each, and the last one is it. Of the files those of this item are
        verified, as no others will be read.

        Returns:
          The step, or `AVERAGE` for the mean of the last checkpoints, which has a folder of its
          own; and the item that holds the weights.
        Raises:
          RunError: where there is no such checkpoint.
        """
        which = str(which)
        if which == AVERAGE:
            if not self._folder(AVERAGE).is_dir():
                run = self.folder.parent
                raise RunError(
                    f"run {run} has no average of checkpoints; nmt average {run} makes one"
                )
            self.manifest(AVERAGE)
            return AVERAGE, PARAMS
        if which in ("best", "last"):
            step = self._first_whole(self._candidates(which), partial(_weights, which))
        else:
            folders = {str(step): step for step in self._folders()}
            step = folders.get(which)
        if step is None:
            legal = self._legal()
            missing = f"checkpoint {which}" if "last" in legal else "finished checkpoint"
            raise RunError(f"run {self.folder.parent} has no {missing}{nearest(which, legal)}")
        return step, _weights(which, self.manifest(step))

    def _candidates(self, which: str) -> Iterable[int]:
        """The regular checkpoints, best or last first; the last one needs no other to be read."""
        if which == "last":
            return filter(self._is_regular, reversed(self._folders()))
        regular = self._regular()
        return [manifest.step for manifest in (*_best_first(regular), *reversed(regular))]

    def _is_regular(self, step: int) -> bool:
        with self._passing_over(step):
            return not self._manifest(step).interrupted
        return False

    def _legal(self) -> list[int | str]:
        """All that `resolve` finds; every file is verified."""
        whole = [step for step in self._folders() if self._first_whole([step]) is not None]
        names = ["best", "last"] if set(whole) & set(self.steps()) else []
        average = self._first_whole([AVERAGE]) if self._folder(AVERAGE).is_dir() else None
        return [*names, *([] if average is None else [AVERAGE]), *whole]

    # ---- reading

    def restore(self, step: int | str, like: dict[str, Any]) -> dict[str, Any]:
        """Reads items back, bit for bit; no files but theirs are read or verified.

        Args:
          step: of a checkpoint, or `AVERAGE`.
          like: the wanted items: pytrees whose leaves are arrays, `jax.ShapeDtypeStruct` or
            numbers. A leaf that is on devices, or has a sharding, is restored onto these devices,
            whatever it was saved from; any other as numpy or as a number.
        Returns:
          Pytrees of the same structure.
        Raises:
          RunError: where the checkpoint is damaged, or names every array that differs.
        """
        manifest = self._verified(step, *like)
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
            values = self._read(manifest, name)
            leaves = [placed(values[key], leaf) for key, leaf in wanted[name].items()]
            restored[name] = jax.tree.unflatten(jax.tree.structure(tree), leaves)
        return restored

    def load_item(self, step: int | str, name: str) -> dict[str | int, Any]:
        """Reads one item as nested dictionaries of numpy arrays; no device, and no other item.

        Raises:
          RunError: where the item is missing or damaged.
        """
        manifest = self._verified(step, name)
        if name not in manifest.items:
            raise RunError(f"checkpoint {step} has no item {name}{nearest(name, manifest.items)}")
        values = self._read(manifest, name)
        nested: dict[str | int, Any] = {}
        for entry in manifest.items[name]:
            node = nested
            for key in entry.keys[:-1]:
                node = node.setdefault(key, {})
            node[entry.keys[-1]] = values[entry.name]
        return nested

    def manifest(self, step: int | str) -> Manifest:
        """What a checkpoint holds, its files unread: score, time, steps averaged.

        Raises:
          RunError: where the manifest is missing or damaged.
        """
        return self._told_of(step, lambda: self._manifest(step))

    def _verified(self, step: int | str, *items: str) -> Manifest:
        """The manifest, when the files of some items are as it says."""

        def verify():
            manifest = self._manifest(step)
            verify_files(self._folder(step), manifest, items)
            return manifest

        return self._told_of(step, verify)

    def _read(self, manifest: Manifest, item: str) -> dict[str, np.ndarray]:
        entries = manifest.items.get(item, ())
        folder = self.folder / manifest.folder / item
        return self._told_of(manifest.folder, lambda: read_arrays(folder, entries))

    def _told_of(self, step: int | str, action: Callable[[], Any]) -> Any:
        """Says of which checkpoint of which run an error is."""
        try:
            return action()
        except (NewerFormat, Unreadable) as error:
            raise self._of_run(step, error) from None
        except RunError as error:
            of_run = f"checkpoint {step} of run {self.folder.parent}"
            if not self._folder(step).exists():
                raise RunError(f"{of_run} is not there, or was removed while it was read") from None
            raise RunError(f"{of_run} is damaged: {error}") from None

    def _of_run(self, step: int | str, error: NewerFormat | Unreadable) -> RunError:
        """The same error, with the checkpoint's name and the run's."""
        advice = "; try again, or remove it to do without" if isinstance(error, Unreadable) else ""
        return type(error)(f"checkpoint {step} of run {self.folder.parent}: {error}{advice}")

    # ---- folders and manifests

    def _folder(self, step: int | str) -> Path:
        return self.folder / str(step)

    def _folders(self) -> list[int]:
        """Steps that have a folder, whatever is in it, in order.

        Raises:
          Unreadable: they cannot be listed.
        """
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise Unreadable(f"cannot read {self.folder}: {error.strerror}") from None
        return sorted(int(name) for name in names if re.fullmatch(r"0|[1-9][0-9]{0,17}", name))

    def _manifest(self, step: int | str) -> Manifest:
        manifest = read_manifest(self._folder(step))
        if manifest.folder != str(step):
            raise RunError(f"it is a copy of checkpoint {manifest.folder}")
        return manifest

    def _manifests(self) -> list[Manifest]:
        """The manifests that are whole, in order of step."""
        manifests = []
        for step in self._folders():
            with self._passing_over(step):
                manifests.append(self._manifest(step))
        return manifests

    def _regular(self) -> list[Manifest]:
        """Those of regular checkpoints, in order of step."""
        return [manifest for manifest in self._manifests() if not manifest.interrupted]

    def _good(self) -> list[Manifest]:
        """Those of regular checkpoints that were not found damaged, in order of step."""
        return [manifest for manifest in self._regular() if manifest.step not in self._named]

    def _first_whole(
        self, steps: Iterable[int | str], item_of: Callable[[Manifest], str] | None = None
    ) -> int | str | None:
        """The first step whose files are as they were written: those of an item, or all."""
        for step in steps:
            with self._passing_over(step):
                manifest = self._manifest(step)
                items = None if item_of is None else [item_of(manifest)]
                verify_files(self._folder(step), manifest, items)
                return step
        return None

    @contextlib.contextmanager
    def _passing_over(self, step: int | str) -> Iterator[None]:
        """Names a damaged checkpoint in a warning, once."""
        try:
            yield
        except (NewerFormat, Unreadable) as error:  # passed over, it would be removed in the end
            raise self._of_run(step, error) from None
        except RunError as error:
            if step not in self._named:
                logger.warning("checkpoint %s is damaged and passed over: %s", step, error)
                self._named.add(step)


def _weights(which: str, manifest: Manifest) -> str:
    """The item of a checkpoint that holds the weights, given how the user calls it."""
    if which == "best" and BEST in manifest.items:
        return BEST
    return MOVING_AVERAGE if MOVING_AVERAGE in manifest.items else PARAMS


def _best_first(manifests: Sequence[Manifest]) -> list[Manifest]:
    scored = [manifest for manifest in manifests if manifest.score is not None]
    return sorted(scored, key=lambda manifest: (-manifest.score, manifest.step))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
