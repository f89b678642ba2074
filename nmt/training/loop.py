"""The training loop, in order: step, log, validate, save, stop."""

import contextlib
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from nmt.config.schema import Config, TrainingConfig
from nmt.data.batching import prefetch
from nmt.devices.mesh import by_rows, check_rows, describe, make_mesh, to_devices
from nmt.devices.processes import from_first, is_first
from nmt.models.build import build_model, count_parameters, split_model
from nmt.models.partition import spread
from nmt.runs.checkpoints import MOVING_AVERAGE, PARAMS, Checkpoints
from nmt.runs.directory import RunDirectory
from nmt.training.clock import Clock, TimeLimit, duration
from nmt.training.compilation import CompiledSteps
from nmt.training.divergence import check_finite, count_worse
from nmt.training.opening import opened
from nmt.training.preparation import Prepared
from nmt.training.reporting import Log, Reporter, Silence, seconds_trained
from nmt.training.signals import Interrupted, Signals, remembered_signals
from nmt.training.step import Trainer, TrainState, with_lr_scale, with_zero_sums
from nmt.training.validation import Validation, Validator

__all__ = ["Interrupted", "train"]

logger = logging.getLogger(__name__)
NO_CHECKPOINT = -1


class Progress(NamedTuple):
    """What the loop itself remembers; saved with every checkpoint.

    Attributes:
      validated: the step of the last validation; one that was broken off will be done again.
      best_score: of the validations so far.
      stale: validations since the best one, which early stopping counts.
      plateau: validations since the best one or the last cut of the learning rate.
      worse: logs in a row with a loss far worse than a guess's, which are a divergence.
    """

    validated: int = 0
    best_score: float = -math.inf
    stale: int = 0
    plateau: int = 0
    worse: int = 0


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


def _train(
    config: Config,
    run: RunDirectory,
    prepared: Prepared,
    checkpoints: Checkpoints,
    mesh: Mesh,
    signals: Signals,
) -> None:
    training = config.training
    clock = Clock(seconds_trained(run.metrics_file))
    trainer, state = _initial(config, prepared, mesh)
    state, progress, first_step = _resumed(config, checkpoints, state)
    time_limit = TimeLimit(training.max_minutes, clock)
    if _finished(training, progress):
        logger.info("run %s is finished: %d steps", run.path, first_step)
        return
    if progress.validated == first_step and time_limit.over_before(first_step):
        logger.info("run %s has used up training.max_minutes: %d steps", run.path, first_step)
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
    reporter = (
        Reporter(run, first_step, training.num_steps, validated=progress.validated)
        if is_first()
        else Silence()
    )
    indices = range(first_step * training.accumulation, training.num_steps * training.accumulation)
    rows = by_rows(mesh)
    batches = prefetch(
        lambda index: to_devices(rows, prepared.batches.batch(index)),
        indices,
        depth=2 * training.accumulation,
    )
    log = Log(training, trainer, prepared.batches, reporter, clock, state)

    # A checkpoint of an interruption serves resuming only: a regular one of its step is still due.
    last_saved = first_step if first_step in checkpoints.steps() else max(first_step - 1, 0)
    step = first_step
    try:
        while True:
            signals.check_on_all()
            out_of_time = time_limit.over(step)
            last = step == training.num_steps or out_of_time
            if (step % config.validation.every == 0 or last) and progress.validated < step:
                jax.block_until_ready(state.params)
                clock.pause()
                logger.info("step %d: validating", step)
                weights = state.params if state.average is None else state.average
                translations = run.translations / f"{step}.txt"
                validation = validator.validate(weights, translations, signals.check_on_all)
                clock.resume()
                better = validation.score > progress.best_score
                log.write_validation(step, validation, better=better)
                progress, state = _judged(training, progress, state, validation, step)
                checkpoints.save(step, _items(state, progress), score=validation.score)
            elif step % training.save_every == 0 and step > last_saved:
                checkpoints.save(step, _items(state, progress))
            if last or _finished(training, progress):
                break

            now = [next(batches) for _ in range(training.accumulation)]
            state, metrics = compiled.step(state, now)
            step += 1
            reporter.advance()
            if step % training.log_every == 0 or step == training.num_steps:
                counters, nll = log.write(step, state, metrics)
                check_finite(counters, prepared.batches, training.accumulation)
                size = len(prepared.vocabularies.target)
                progress = progress._replace(worse=count_worse(nll, size, progress.worse))
                state = with_zero_sums(state)
    except Interrupted as interrupted:
        checkpoints.save(step, _items(state, progress), interrupted=True)
        checkpoints.wait()
        logger.info("%s at step %d; the same command goes on from here", interrupted, step)
        raise
    finally:
        batches.close()
        reporter.close()
    checkpoints.wait()
    if out_of_time:
        logger.info("training.max_minutes is over")
    if training.patience is not None and progress.stale >= training.patience:
        logger.info("no better score in %d validations: stopped early", progress.stale)
    logger.info("finished %d steps in %s", step, duration(clock.seconds))


def _initial(config: Config, prepared: Prepared, mesh: Mesh) -> tuple[Trainer, TrainState]:
    """The state before the first step, spread over the mesh."""
    training = config.training
    model = build_model(
        config.model,
        source_size=len(prepared.vocabularies.source),
        target_size=len(prepared.vocabularies.target),
        precision=training.precision,
        seed=training.seed,
    )
    graph, params = split_model(model)
    trainer = Trainer.from_config(graph, training)
    return trainer, spread(trainer.initial_state(params), mesh)


def _items(state: TrainState, progress: Progress) -> dict[str, Any]:
    """What a checkpoint holds: the weights, their average, and the rest of training."""
    rest = {
        "opt_state": state.opt_state,
        "counters": state.counters,
        "sums": state.sums,
        "lr_scale": state.lr_scale,
        "progress": progress,
    }
    average = {} if state.average is None else {MOVING_AVERAGE: state.average}
    return {PARAMS: state.params, **average, "training": rest}


def _resumed(
    config: Config, checkpoints: Checkpoints, state: TrainState
) -> tuple[TrainState, Progress, int]:
    """The state of the last whole checkpoint, or the initial one, on its devices."""
    step = from_first(_latest(checkpoints) if is_first() else 0)
    if step == NO_CHECKPOINT:
        return state, Progress(), 0
    items = checkpoints.restore(step, like=_items(state, Progress()))
    rest = items["training"]
    logger.info("resuming at step %d", step)
    progress = rest.pop("progress")
    return TrainState(items[PARAMS], items.get(MOVING_AVERAGE), **rest), progress, step


def _latest(checkpoints: Checkpoints) -> int:
    step = checkpoints.latest()
    return NO_CHECKPOINT if step is None else step


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
