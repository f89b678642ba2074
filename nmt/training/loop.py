"""The training loop, in order: step, log, validate, save, stop."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from nmt.config.schema import Config, TrainingConfig
from nmt.data.batching import Batch, prefetch
from nmt.devices.mesh import by_rows, check_rows, describe, make_mesh, to_devices
from nmt.devices.processes import from_first, is_first
from nmt.models.build import count_parameters
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.directory import RunDirectory
from nmt.training.clock import Clock, TimeLimit, duration
from nmt.training.compilation import CompiledSteps
from nmt.training.divergence import check_finite, count_worse
from nmt.training.log import Log
from nmt.training.opening import opened
from nmt.training.preparation import Prepared
from nmt.training.reporting import Reporter, Silence, seconds_trained
from nmt.training.resuming import Progress, initial, items_of, resumed
from nmt.training.signals import Interrupted, Signals, remembered_signals
from nmt.training.step import TrainState, with_lr_scale, with_zero_sums
from nmt.training.validation import Validation, Validator

__all__ = ["Interrupted", "train"]

logger = logging.getLogger(__name__)


def train(config: Config, path: Path, *, devices: Sequence[jax.Device] | None = None) -> None:
    """Trains in a run directory, from where the run stopped or from the beginning.

    Args:
      config: the whole config.
      path: of the run directory, made where there is none.
      devices: to train on; all of all processes when None. Every process calls this.
    Raises:
      NmtError: a mistake of the user.
      Interrupted: SIGINT or SIGTERM came; all is saved.
    """
    mesh = make_mesh(config.training.model_devices, devices)
    check_rows(
        mesh,
        row_multiple=config.data.row_multiple,
        batch_sentences=config.data.batch_sentences,
    )
    with (
        remembered_signals() as signals,
        opened(config, path, signals.check) as (run, prepared),
        contextlib.closing(
            Checkpoints(run.checkpoints, keep_last=config.training.keep_last)
        ) as checkpoints,
    ):
        _train(config, run, prepared, checkpoints, mesh, signals)


class Equipment(NamedTuple):
    """What the loop works with, all of it made before the first step."""

    config: Config
    run: RunDirectory
    prepared: Prepared
    checkpoints: Checkpoints
    signals: Signals
    clock: Clock
    time_limit: TimeLimit
    compiled: CompiledSteps
    validator: Validator
    reporter: Reporter | Silence
    batches: Iterator[Batch]
    log: Log


def _train(
    config: Config,
    run: RunDirectory,
    prepared: Prepared,
    checkpoints: Checkpoints,
    mesh: Mesh,
    signals: Signals,
) -> None:
    """Makes the equipment, where there is something left to do, and closes it."""
    training = config.training
    clock = Clock(seconds_trained(run.metrics_file))
    trainer, state = initial(config, prepared, mesh)
    state, progress, step = resumed(checkpoints, state)
    time_limit = TimeLimit(training.max_minutes, clock)
    if _is_over(training, run, progress, step, time_limit):
        return
    signals.check_alone()
    logger.info("%s parameters on %s", f"{count_parameters(state.params):,}", describe(mesh))
    compiled = CompiledSteps(
        trainer,
        state,
        prepared.batches.shapes,
        mesh,
        accumulation=training.accumulation,
        seed=training.seed,
        check=signals.check_alone,
    )
    validator = Validator(config, trainer.graph, prepared, mesh)
    with (
        contextlib.closing(_reporter(config, run, step, progress)) as reporter,
        contextlib.closing(_batches(config, prepared, mesh, step)) as batches,
    ):
        log = Log(training, trainer, prepared.batches, reporter, clock, state)
        equipment = Equipment(
            config=config,
            run=run,
            prepared=prepared,
            checkpoints=checkpoints,
            signals=signals,
            clock=clock,
            time_limit=time_limit,
            compiled=compiled,
            validator=validator,
            reporter=reporter,
            batches=batches,
            log=log,
        )
        step, progress = _loop(equipment, state, progress, step)
    checkpoints.wait()
    _say_end(training, progress, step, clock)


def _loop(
    equipment: Equipment, state: TrainState, progress: Progress, step: int
) -> tuple[int, Progress]:
    """Trains from a step on; returns the step where it ends, and what is remembered then."""
    config, signals, checkpoints = equipment.config, equipment.signals, equipment.checkpoints
    training, prepared, log = config.training, equipment.prepared, equipment.log
    last_saved = _last_saved(checkpoints, step)
    try:
        while True:
            signals.check_on_all()
            last = step == training.num_steps or equipment.time_limit.over(step)
            if (step % config.validation.every == 0 or last) and progress.validated < step:
                validation = _validate(equipment, state, step)
                better = validation.score > progress.best_score
                log.write_validation(step, validation, better=better)
                progress, state = _judged(training, progress, state, validation, step)
                checkpoints.save(step, items_of(state, progress), score=validation.score)
            elif step % training.save_every == 0 and step > last_saved:
                checkpoints.save(step, items_of(state, progress))
            if last or _finished(training, progress):
                return step, progress

            batches = [next(equipment.batches) for _ in range(training.accumulation)]
            state, metrics = equipment.compiled.step(state, batches)
            step += 1
            equipment.reporter.advance()
            if step % training.log_every == 0 or step == training.num_steps:
                counters, nll = log.write(step, state, metrics)
                since = (step - 1) // training.log_every * training.log_every
                check_finite(counters, prepared.batches, training.accumulation, since=since)
                size = len(prepared.vocabularies.target)
                progress = progress._replace(worse=count_worse(nll, size, progress.worse))
                state = with_zero_sums(state)
    except Interrupted as interrupted:
        checkpoints.save(step, items_of(state, progress), interrupted=True)
        checkpoints.wait()
        logger.info("%s at step %d; the same command goes on from here", interrupted, step)
        raise


def _validate(equipment: Equipment, state: TrainState, step: int) -> Validation:
    """Measures the weights, or their moving average where there is one."""
    jax.block_until_ready(state.params)
    equipment.clock.pause()
    logger.info("step %d: validating", step)
    weights = state.params if state.average is None else state.average
    translations = equipment.run.translations / f"{step}.txt"
    check = equipment.signals.check_on_all
    validation = equipment.validator.validate(weights, translations, check)
    equipment.clock.resume()
    return validation


def _reporter(
    config: Config, run: RunDirectory, step: int, progress: Progress
) -> Reporter | Silence:
    """The first process speaks for all."""
    if not is_first():
        return Silence()
    return Reporter(run, step, config.training.num_steps, validated=progress.validated)


def _batches(config: Config, prepared: Prepared, mesh: Mesh, step: int) -> Iterator[Batch]:
    """The batches from a step on, made and dealt out to the devices ahead of their time."""
    accumulation, rows = config.training.accumulation, by_rows(mesh)
    return prefetch(
        lambda index: to_devices(rows, prepared.batches.batch(index)),
        range(step * accumulation, config.training.num_steps * accumulation),
        depth=2 * accumulation,
    )


def _last_saved(checkpoints: Checkpoints, step: int) -> int:
    """The last step whose regular checkpoint is not due any more.

    A checkpoint of an interruption serves resuming only: a regular one of its step is still due.
    """
    is_regular = from_first(int(is_first() and step in checkpoints.steps()))
    return step if is_regular else max(step - 1, 0)


def _is_over(
    training: TrainingConfig,
    run: RunDirectory,
    progress: Progress,
    step: int,
    time_limit: TimeLimit,
) -> bool:
    """Whether nothing is left to do when the run is taken up, and says so."""
    if _finished(training, progress):
        logger.info("run %s is finished: %d steps", run.path, step)
        return True
    if progress.validated == step and time_limit.over_before(step):
        logger.info("run %s has used up training.max_minutes: %d steps", run.path, step)
        return True
    return False


def _say_end(training: TrainingConfig, progress: Progress, step: int, clock: Clock) -> None:
    if training.patience is not None and progress.stale >= training.patience:
        logger.info("no better score in %d validations: stopped early", progress.stale)
    elif step < training.num_steps:
        logger.info("training.max_minutes is over")
    logger.info("finished %d steps in %s", step, duration(clock.seconds))


def _finished(training: TrainingConfig, progress: Progress) -> bool:
    """Whether the last step was taken and validated, or early stopping has stopped."""
    out_of_patience = training.patience is not None and progress.stale >= training.patience
    return progress.validated >= training.num_steps or out_of_patience


def _judged(
    training: TrainingConfig,
    progress: Progress,
    state: TrainState,
    validation: Validation,
    step: int,
) -> tuple[Progress, TrainState]:
    """Counts a validation; lowers the learning rate on a plateau."""
    if validation.score > progress.best_score:
        best = progress._replace(validated=step, best_score=validation.score, stale=0, plateau=0)
        return best, state
    stale, plateau = progress.stale + 1, progress.plateau + 1
    progress = progress._replace(validated=step, stale=stale, plateau=plateau)
    if training.schedule == "plateau" and progress.plateau >= training.plateau_patience:
        scale = np.float32(np.asarray(state.lr_scale) * training.plateau_factor)
        logger.info("no better score: the learning rate falls to %g of its peak", scale)
        return progress._replace(plateau=0), with_lr_scale(state, scale)
    return progress, state
