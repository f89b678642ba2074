"""What a run says while it trains: metrics.jsonl, TensorBoard, log.txt and a progress bar."""

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from nmt.analysis.records import read_records
from nmt.runs.directory import RunDirectory, write_atomically


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


def duration(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
