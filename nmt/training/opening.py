"""A run taken for training: the first process locks, logs and prepares it, the others read."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from nmt.config.reader import differing_keys
from nmt.config.schema import Config
from nmt.devices.processes import first_alone, is_first
from nmt.errors import ConfigError, DataError, RunError
from nmt.runs.directory import RunDirectory
from nmt.training.preparation import Prepared, prepare
from nmt.training.reporting import logging_to


@contextlib.contextmanager
def opened(
    config: Config, path: Path, check: Callable[[], None]
) -> Iterator[tuple[RunDirectory, Prepared]]:
    """Makes a run, or takes it up again, and prepares its corpus.

    Args:
      config: the whole config.
      path: of the run directory, made where there is none.
      check: called now and then during preparation; what it raises ends it.
    Raises:
      ConfigError, DataError: the config does not fit the corpus, or it cannot be read as meant.
        What a run that never began had left is removed.
      RunError: the run is in use or of another config, or cannot be written. What was prepared
        stays, for the next start to go on from.
    """
    run = RunDirectory(path)
    had_folder = run.path.exists()
    with contextlib.ExitStack() as held:
        is_new = first_alone(partial(_take, run, config, held))
        if not is_first() and not _has_moved(run, config):
            _check_as_first(run, config)
        try:
            held.enter_context(logging_to(run.log_file) if is_first() else _only_warnings())
            prepared = first_alone(partial(prepare, config, run, check))
            if prepared is None:  # another process made it
                prepared = prepare(config, run, check)
            first_alone(partial(run.keep_config, config))  # a corpus that has moved is the run's
            if not is_first():
                _check_as_first(run, config)
            yield run, prepared
        except (ConfigError, DataError):
            if is_new and not run.metrics_file.exists():  # a mistake that came out in preparation
                run.discard(keep_folder=had_folder)
            raise


def _take(run: RunDirectory, config: Config, held: contextlib.ExitStack) -> bool:
    """Locks the run for as long as `held` lasts; returns whether it is new."""
    is_new = not run.exists()
    if is_new:
        RunDirectory.create(run.path, config)
    held.enter_context(run.locked())
    run.check_same_config(config)
    if not _has_moved(run, config):
        run.keep_config(config)
    return is_new


def _has_moved(run: RunDirectory, config: Config) -> bool:
    """Whether the corpus is to be read elsewhere: its text will tell whether it is the same."""
    return run.read_config().data != config.data


def _check_as_first(run: RunDirectory, config: Config) -> None:
    """Makes sure that all processes train the same; the first one's config is the run's."""
    differing = [key for key, _, _ in differing_keys(run.read_config(), config)]
    if differing:
        raise RunError(
            f"the first process has another {', '.join(differing)}; "
            "give all of them the same command"
        )


@contextlib.contextmanager
def _only_warnings() -> Iterator[None]:
    """Lets one process speak for all."""
    package = logging.getLogger("nmt")
    level = package.level
    package.setLevel(logging.WARNING)
    try:
        yield
    finally:
        package.setLevel(level)
