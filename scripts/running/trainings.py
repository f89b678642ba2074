"""Trains several runs with `nmt train`, one after the other or some of them side by side."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn, TextIO

from benchmarking.report import say


class Job(NamedTuple):
    """A run to be trained: what it is called, its config with overrides, and its folder."""

    name: str
    config: Path
    overrides: list[str]
    run: Path


def end_all(job: Job, status: int) -> NoReturn:
    """Raises SystemExit as the training that has failed did, or as a shell tells its signal."""
    raise SystemExit(status if status > 0 else 128 - status)


def train_all(
    jobs: Sequence[Job],
    at_once: int,
    done: Callable[[Job], None],
    failed: Callable[[Job, int], None] = end_all,
) -> None:
    """Trains each run to its end, from where it stopped.

    Args:
      jobs: the runs.
      at_once: how many side by side, each on its share of the cores, which is no larger where
        there are fewer: a run that is taken up again must train as it did.
      done: called with each job that has come to its end.
      failed: called with one that could not be trained or was stopped, which has said why, and with
        its status, negative for a signal. What it raises stops the others too; they go on from
        there another time.
    """
    waiting, running = list(enumerate(jobs, 1)), {}
    shares = _shares(at_once)
    try:
        while waiting or running:
            while waiting and shares:
                number, job = waiting.pop(0)
                cores = shares.pop()
                say(f"training {job.name}, {number} of {len(jobs)}, on {_counted(cores)}")
                running[start(job, cores)] = job, cores
            ended = [process for process in running if process.poll() is not None]
            for process in ended:
                job, cores = running.pop(process)
                shares.append(cores)
                if process.returncode == 0:
                    done(job)
                else:
                    say(f"training {job.name} ended with status {process.returncode}")
                    failed(job, process.returncode)
            if not ended:
                time.sleep(0.1)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def start(job: Job, cores: set[int]) -> subprocess.Popen:
    """`nmt train` in a process of its own, what it says with the run's name before each line."""
    command = [sys.executable, "-m", "nmt.cli", "train", str(job.config), "--run", str(job.run)]
    with _on(cores):
        process = subprocess.Popen(
            [*command, *job.overrides], stderr=subprocess.PIPE, text=True, errors="replace"
        )
    threading.Thread(target=_pass_on, args=(process.stderr, job.name), daemon=True).start()
    return process


def _pass_on(stream: TextIO, name: str) -> None:
    for line in stream:
        say(f"{name}: {line.rstrip()}")


@contextlib.contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    """A process that is started within works on these cores alone, where the system can say so."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _shares(at_once: int) -> list[set[int]]:
    """The cores of this process dealt out; of more runs than cores several have the same one."""
    known = hasattr(os, "sched_getaffinity")
    cores = sorted(os.sched_getaffinity(0)) if known else list(range(os.cpu_count() or 1))
    return [set(cores[k::at_once]) or {cores[k % len(cores)]} for k in range(at_once)]


def _counted(cores: set[int]) -> str:
    return "1 core" if len(cores) == 1 else f"{len(cores)} cores"
