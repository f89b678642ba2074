"""What a run writes while it trains: metrics.jsonl, TensorBoard, log.txt and a progress bar."""

import contextlib
import json
import logging
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from nmt.analysis.records import Record, read_records
from nmt.errors import RunError
from nmt.runs.directory import RunDirectory, write_atomically
from nmt.training.events import Events

logger = logging.getLogger(__name__)


class Reporter:
    """Writes the metrics of a run, from a step on."""

    def __init__(
        self,
        run: RunDirectory,
        first_step: int,
        num_steps: int,
        *,
        validated: int,
        seconds: float = 0.0,
    ):
        """Forgets what was measured after `first_step`, because it will be measured again.

        Args:
          run: whose metrics.jsonl and tensorboard/ are written.
          first_step: steps done.
          num_steps: where the progress bar ends.
          validated: the last validation that counts; one of `first_step` may not, as where a
            kill came between it and its checkpoint.
          seconds: of training so far, which the records that are forgotten may alone have told.
        """
        from tqdm import tqdm

        self._run = run
        records = read_records(run.metrics_file) if run.metrics_file.exists() else []
        kept = [
            record
            for record in records
            if record["step"] <= (validated if is_validation(record) else first_step)
        ]
        if len(kept) < len(records):
            write_atomically(run.seconds_file, f"{seconds}\n")
        write_atomically(run.metrics_file, "".join(json.dumps(r) + "\n" for r in kept))
        self._file = run.metrics_file.open("a", encoding="utf-8")
        self._events = Events(run.tensorboard, first_step)
        for record in kept:
            if record["step"] == first_step:  # void with the rest, and yet it counts
                values = {name: value for name, value in record.items() if value is not None}
                self._events.add(values.pop("step"), values)
        self._bar = tqdm(
            initial=first_step,
            total=num_steps,
            unit="step",
            disable=not sys.stderr.isatty(),
            dynamic_ncols=True,
        )

    def advance(self) -> None:
        """Moves the bar by a step."""
        with contextlib.suppress(OSError):  # of a terminal that was closed
            self._bar.update()

    def record(self, step: int, **values: float) -> None:
        """Writes what was measured at a step; keys are the names of the values.

        A value that is not finite, as none of an update that was left out is, is null, and
        TensorBoard has none. It is on the disk when this returns, so before any checkpoint that
        counts on it.

        Raises:
          RunError: it cannot be written.
        """
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        line = {"step": step, **dict.fromkeys(values), **finite}
        try:
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._events.add(step, finite)
        except OSError as error:
            raise RunError(
                f"cannot write metrics into {self._run.path}: {error.strerror}"
            ) from None

    def close(self) -> None:
        """Ends the bar and closes the files."""
        with contextlib.suppress(OSError):
            self._bar.close()
        for file in (self._file, self._events):
            with contextlib.suppress(OSError):  # what could not be written has been told
                file.close()


def is_validation(record: Record) -> bool:
    """Whether a record is of a validation, and not of the training loss."""
    return "validation_loss" in record


class Silence:
    """The reporter of a process that lets another one report."""

    def advance(self) -> None:
        """Says nothing."""

    def record(self, step: int, **values: float) -> None:
        """Writes nothing."""

    def close(self) -> None:
        """Has nothing to close."""


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Sends what the package logs to a file too, each line with its time, around a progress bar."""
    package = logging.getLogger("nmt")
    level = package.level
    package.setLevel(logging.INFO)
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    package.addHandler(handler)
    try:
        with contextlib.ExitStack() as around:
            if sys.stderr.isatty():  # imported elsewhere, it warns in notebooks
                from tqdm.contrib.logging import logging_redirect_tqdm

                around.enter_context(logging_redirect_tqdm([package]))
            yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        with contextlib.suppress(OSError):  # what could not be written has been told
            handler.close()


class _LogFile(logging.FileHandler):
    """log.txt; where it cannot be written, training ends as where nothing else can be."""

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exception()
        if isinstance(error, OSError):
            raise RunError(f"cannot write {self.baseFilename}: {error.strerror}") from None
        super().handleError(record)
