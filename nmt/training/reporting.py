"""What a run says while it trains: metrics.jsonl, TensorBoard, log.txt and a progress bar."""

import contextlib
import json
import logging
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jax

from nmt.analysis.records import read_records
from nmt.config.schema import TrainingConfig
from nmt.data.batching import Batches
from nmt.runs.directory import RunDirectory, write_atomically
from nmt.training.step import Counters, Metrics, Trainer, TrainState
from nmt.training.validation import Validation

logger = logging.getLogger(__name__)


class Reporter:
    """Writes the metrics of a run, from a step on."""

    def __init__(self, run: RunDirectory, first_step: int, num_steps: int):
        """Forgets what was measured after `first_step`, because it will be measured again.

        Args:
          run: whose metrics.jsonl and tensorboard/ are written.
          first_step: steps done.
          num_steps: where the progress bar ends.
        """
        from tensorboardX import SummaryWriter
        from tqdm import tqdm

        records = read_records(run.metrics_file) if run.metrics_file.exists() else []
        records = [record for record in records if record["step"] <= first_step]
        write_atomically(run.metrics_file, "".join(json.dumps(r) + "\n" for r in records))
        self._file = run.metrics_file.open("a", encoding="utf-8")
        self._events = SummaryWriter(str(run.tensorboard), purge_step=first_step + 1)
        self._bar = tqdm(
            initial=first_step,
            total=num_steps,
            unit="step",
            disable=not sys.stderr.isatty(),
            dynamic_ncols=True,
        )

    def advance(self) -> None:
        """Moves the bar by a step."""
        self._bar.update()

    def record(self, step: int, **values: float) -> None:
        """Writes what was measured at a step; keys are the names of the values."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def close(self) -> None:
        """Ends the bar and closes the files."""
        self._bar.close()
        self._file.close()
        self._events.close()


def seconds_trained(path: Path) -> float:
    """How long the run of a metrics.jsonl had been trained when its last record was written."""
    records = read_records(path) if path.exists() else []
    return records[-1]["seconds"] if records else 0.0


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Sends what the package logs to a file too, each line with its time, around a progress bar."""
    from tqdm.contrib.logging import logging_redirect_tqdm

    package = logging.getLogger("nmt")
    level = package.level
    package.setLevel(logging.INFO)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    package.addHandler(handler)
    try:
        with logging_redirect_tqdm([package]) if sys.stderr.isatty() else contextlib.nullcontext():
            yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        handler.close()


class Clock:
    """Seconds of a run, those before it was resumed included, and of the time since a mark."""

    def __init__(self, seconds_before: float):
        self._start = time.perf_counter() - seconds_before
        self._mark = time.perf_counter()
        self._paused = 0.0

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.perf_counter() - self._start

    @property
    def minutes(self) -> float:
        """Since the run began."""
        return self.seconds / 60

    def lap(self) -> float:
        """Seconds since the last lap, pauses left out."""
        now = time.perf_counter()
        seconds, self._mark = now - self._mark, now
        return seconds

    def pause(self) -> None:
        """Stops the lap's time."""
        self._paused = time.perf_counter()

    def resume(self) -> None:
        """Lets the lap's time go on."""
        self._mark += time.perf_counter() - self._paused


class Log:
    """Tells how the steps since the last log went: the only wait of training for the device."""

    def __init__(
        self,
        training: TrainingConfig,
        trainer: Trainer,
        batches: Batches,
        reporter: Reporter,
        clock: Clock,
        state: TrainState,
    ):
        self.training, self.trainer, self.batches = training, trainer, batches
        self.reporter, self.clock = reporter, clock
        # Pieces and steps that the state brought along count in the sums, but took no time now.
        self._pieces_before = int(state.sums.num_pieces)
        self._last_step = int(state.counters.step)
        clock.lap()

    def write(self, step: int, state: TrainState, metrics: Metrics) -> Counters:
        """Logs a step; the sums of `state` are of the steps since the last one logged.

        Returns:
          The state's counters, as numbers on the host.
        """
        sums, counters, scale, norm = jax.device_get(
            (state.sums, state.counters, state.lr_scale, metrics.gradient_norm)
        )
        seconds = self.clock.lap()
        num_pieces = int(sums.num_pieces)
        perplexity = math.exp(min(sums.nll / num_pieces, 700.0)) if num_pieces else math.nan
        loss = float(sums.loss / num_pieces) if num_pieces else math.nan
        epoch = self.batches.epoch_of(step * self.training.accumulation - 1) + 1  # as people count
        rate = (num_pieces - self._pieces_before) / seconds
        left = (self.training.num_steps - step) / (step - self._last_step) * seconds
        self._pieces_before, self._last_step = 0, step
        self.reporter.record(
            step,
            epoch=epoch,
            loss=loss,
            perplexity=perplexity,
            learning_rate=float(self.trainer.schedule(step - 1) * scale),
            gradient_norm=float(norm),
            skipped=int(counters.skipped),
            tokens_per_second=rate,
            seconds=self.clock.seconds,
        )
        logger.info(
            "step %d, epoch %d: loss %.3f, perplexity %.2f, %.0f tokens/s, %s left",
            step,
            epoch,
            loss,
            perplexity,
            rate,
            duration(left),
        )
        return counters

    def write_validation(self, step: int, validation: Validation, *, better: bool) -> None:
        """Logs a validation; `better` than all before or not."""
        self.reporter.record(
            step,
            validation_loss=validation.loss,
            validation_perplexity=validation.perplexity,
            validation_bleu=validation.bleu,
            seconds=self.clock.seconds,
        )
        logger.info(
            "step %d: validation loss %.3f, perplexity %.2f, BLEU %.2f%s, after %s",
            step,
            validation.loss,
            validation.perplexity,
            validation.bleu,
            " (the best so far)" if better else "",
            duration(self.clock.seconds),
        )


def duration(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
