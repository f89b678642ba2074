"""Shows that every damage to a checkpoint is noticed, and the checkpoint before it used instead.

    python scripts/damage_checkpoints.py [RUN] [--flips 100] [--truncations 20] [--resumes 4]

flips a bit at a random place of the last checkpoint of a run, or cuts one of its files short, and
resumes from it as training does when it is started again. The damage must be named in a warning,
and the state must be that of the checkpoint before, bit for bit. Then the bytes are put back. The
damages are spread over every file, the manifest included. After some of them all of `nmt train` is
run.

RUN must have two checkpoints or more, and what it is trained on must be there. It is copied, and
left as it was; without one a small run is trained. The status is 0 only if every damage was
noticed. A table says how many were done to each file.
"""

import contextlib
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from running.command_line import ScriptParser, at_least_one, one_line_errors

from nmt.config.reader import read_config
from nmt.devices.mesh import make_mesh
from nmt.errors import NmtError, RunError
from nmt.runs.checkpoints import BEST, PARAMS, Checkpoints
from nmt.runs.directory import RunDirectory
from nmt.runs.manifest import NAME
from nmt.training.judging import Progress, Standing, weights
from nmt.training.loop import train
from nmt.training.members import Members
from nmt.training.preparation import prepare
from nmt.training.resuming import initial, items_of, resumed

CONFIG = """\
data:
  path: embedded
  embedded: {num_train: 300, num_validation: 5, num_test: 5, max_words: 8}
  num_shapes: 1
vocabulary: {size: 300}
model: {embedding_dim: 8, encoder_dim: 8, decoder_dim: 8, alignment_dim: 8, readout_dim: 8}
training: {num_steps: 6, average_decay: 0.9, log_every: 1, save_every: 2, keep_last: 2}
validation: {every: 6, max_sentences: 2}
"""


class Damage(NamedTuple):
    """What is done to a file: a bit flipped in the byte `place`, or all from `place` on cut off.

    Attributes:
      file: below the checkpoint's folder.
      kind: "flip" or "truncation".
      place: a byte.
      bit: 0-7, of a flip.
    """

    file: str
    kind: str
    place: int
    bit: int

    def __str__(self):
        where = (
            f"bit {self.bit} of byte {self.place}" if self.kind == "flip" else f"to {self.place}"
        )
        return f"{self.kind} of {self.file}, {where}"

    def of(self, content: bytes) -> bytes:
        """The content, damaged."""
        if self.kind == "truncation":
            return content[: self.place]
        changed = bytearray(content)
        changed[self.place] ^= 1 << self.bit
        return bytes(changed)


class Warnings(logging.Handler):
    """Keeps what the package warns of."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Called by the logging module."""
        self.messages.append(record.getMessage())


def choose_damages(
    folder: Path, flips: int, truncations: int, rng: random.Random
) -> Iterator[Damage]:
    """Damages at random places; of each kind equally many to every file, the manifest first."""
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.stat().st_size  # an empty file has no bit to flip
    }
    for kind, number in (("flip", flips), ("truncation", truncations)):
        files = [NAME, *rng.sample(sorted(sizes.keys() - {NAME}), len(sizes) - 1)]
        for file in islice(cycle(files), number):
            yield Damage(file, kind, rng.randrange(sizes[file]), rng.randrange(8))


class Resuming:
    """A run as training takes it up again, whole or damaged, and what it must find there."""

    def __init__(self, path: Path):
        """Reads the last checkpoint but one of a run that is whole.

        Raises:
          NmtError: the run cannot be trained further, or has no two checkpoints that serve.
        """
        self.run = RunDirectory.open(path)
        self.before, self.last = last_two(self.run)
        config = self.run.read_config()
        self._members = members = Members(config.training.seeds)
        sizes = prepare(config, self.run).vocabulary_sizes
        _, self._initial = initial(config, members, sizes, make_mesh())
        checkpoints, standing = (
            Checkpoints(self.run.checkpoints),
            Standing((Progress(),) * len(members)),
        )
        if BEST in checkpoints.manifest(self.before).items:
            standing = standing._replace(best=weights(self._initial))
        like = items_of(members, self._initial, standing)
        self._expected = bits(checkpoints.restore(self.before, like))

    def check(self, damage: Damage) -> None:
        """Resumes from the run, whose last checkpoint is damaged.

        Args:
          damage: what was done.
        Raises:
          RunError: it was not noticed, or not named, or the state is not that of the checkpoint
            before, bit for bit.
        """
        checkpoints = Checkpoints(self.run.checkpoints)
        with hearing() as heard:
            state, standing, step = resumed(checkpoints, self._members, self._initial)
        if step != self.before:
            raise RunError(f"{damage}: resumes at {step} instead of {self.before}")
        wanted = f"checkpoint {self.last} is damaged and passed over: {damage.file} "
        if not any(message.startswith(wanted) for message in heard):
            raise RunError(f"{damage}: not named in {heard}")
        if bits(items_of(self._members, state, standing)) != self._expected:
            raise RunError(f"{damage}: resumes at {step} with another state than was saved there")
        item = damage.file.split("/")[0] if "/" in damage.file else PARAMS
        try:
            checkpoints.load_item(self.last, item)
        except RunError:
            return
        raise RunError(f"{damage}: {item} can still be read")


@contextlib.contextmanager
def hearing() -> Iterator[list[str]]:
    """Gathers what the package warns of, which is shown nowhere else."""
    heard, logger = Warnings(), logging.getLogger("nmt")
    logger.addHandler(heard)
    logger.propagate = False  # they are expected
    try:
        yield heard.messages
    finally:
        logger.removeHandler(heard)
        logger.propagate = True


def last_two(run: RunDirectory) -> tuple[int, int]:
    """The steps of the last checkpoint but one, and of the last one.

    Raises:
      RunError: they are not there, or not whole, or the last one is of an interruption, which a
        run that goes on saves again.
    """
    checkpoints = Checkpoints(run.checkpoints)
    steps = sorted(int(path.name) for path in run.checkpoints.glob("[0-9]*"))
    if len(steps) < 2:
        raise RunError(f"run {run.path} has {len(steps)} checkpoints; wanted two or more")
    for step in steps[-2:]:
        for item in checkpoints.manifest(step).items:
            checkpoints.load_item(step, item)
    if checkpoints.manifest(steps[-1]).interrupted:
        raise RunError(
            f"the last checkpoint of run {run.path}, {steps[-1]}, is of an interruption; wanted a "
            "regular one: train the run until it saves again"
        )
    return steps[-2], steps[-1]


def bits(items: dict[str, Any]) -> list[tuple[str, tuple[int, ...], bytes]]:
    """Type, shape and bytes of every array."""
    arrays = map(np.asarray, jax.tree.leaves(items))
    return [(str(array.dtype), array.shape, array.tobytes()) for array in arrays]


def resume(run: Path, before: int) -> None:
    """Goes on training a copy of a damaged run.

    Raises:
      RunError: it does not resume at the step `before`, or does not come to its end.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(run, Path(folder, "run"), symlinks=True))
        command = ["train", str(copy / "config.yaml"), "--run", str(copy)]
        done = subprocess.run(
            [sys.executable, "-m", "nmt.cli", *command],
            capture_output=True,
            text=True,
            env=os.environ,
            check=False,
        )
        if done.returncode != 0 or f"resuming at step {before}\n" not in done.stderr:
            raise RunError(f"nmt train ended with {done.returncode}: {done.stderr[-1000:]}")


def damage_all(run: Path, damages: list[Damage], resumes: int) -> list[str]:
    """Does one damage after the other; returns what went wrong.

    Args:
      run: with two checkpoints or more; each damage to the last one is mended again.
      damages: to do to it.
      resumes: how many of them are followed by `nmt train`.
    """
    resuming, failures = Resuming(run), []
    in_earnest = set(range(0, len(damages), max(len(damages) // resumes, 1)) if resumes else ())
    for number, damage in enumerate(damages):
        path = run / "checkpoints" / str(resuming.last) / damage.file
        content = path.read_bytes()
        path.write_bytes(damage.of(content))
        try:
            resuming.check(damage)
            if number in in_earnest:
                resume(run, resuming.before)
                print(f"{damage}: nmt train resumed at step {resuming.before}", flush=True)
        except NmtError as error:
            failures.append(str(error))
        finally:
            path.write_bytes(content)
    if Checkpoints(run / "checkpoints").latest() != resuming.last:
        failures.append(f"checkpoint {resuming.last} is not whole again")
    return failures


def print_table(damages: list[Damage]) -> None:
    """How many damages of each kind were done to each file."""
    counts = Counter((damage.file, damage.kind) for damage in damages)
    files = sorted({damage.file for damage in damages})
    width = max(map(len, files))
    print(f"{'file':<{width}}  flips  truncations")
    for file in files:
        print(f"{file:<{width}}  {counts[file, 'flip']:>5}  {counts[file, 'truncation']:>11}")


def copy_of(run: Path, folder: Path) -> Path:
    """A copy of a run below a folder, to damage in its stead."""
    RunDirectory.open(run)
    return Path(shutil.copytree(run, folder / "run", symlinks=True))


def train_small(folder: Path) -> Path:
    """Trains a run with two checkpoints below a folder."""
    (folder / "small.yaml").write_text(CONFIG)
    train(read_config(folder / "small.yaml"), folder / "run")
    return folder / "run"


@one_line_errors(__file__)
def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if every damage was noticed, 1 if one was not, 2 for a mistake."""
    parser = ScriptParser(__file__, __doc__)
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN")
    parser.add_argument("--flips", type=at_least_one, default=100)
    parser.add_argument("--truncations", type=int, default=20)
    parser.add_argument("--resumes", type=int, default=4, help="damages followed by nmt train")
    parser.add_argument("--seed", type=int, default=1, help="of the places")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        run = copy_of(options.run, Path(folder)) if options.run else train_small(Path(folder))
        _, last = last_two(RunDirectory(run))
        rng = random.Random(options.seed)
        places = run / "checkpoints" / str(last)
        damages = list(choose_damages(places, options.flips, options.truncations, rng))
        failures = damage_all(run, damages, options.resumes)
    print_table(damages)
    for failure in failures:
        print(f"FAILED: {failure}")
    print(f"{len(damages) - len(failures)} of {len(damages)} damages were named and passed over")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
