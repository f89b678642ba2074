"""The training loop, in order: step, log, validate, save, stop."""

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nmt.config.schema import Config, TrainingConfig
from nmt.data.batching import prefetch
from nmt.errors import NmtError, RunError
from nmt.models.build import build_model, count_parameters, split_model
from nmt.runs.checkpoints import AVERAGE, PARAMS, Checkpoints
from nmt.runs.directory import RunDirectory
from nmt.training.compilation import CompiledSteps
from nmt.training.preparation import Prepared, prepare
from nmt.training.reporting import Clock, Log, Reporter, duration, logging_to, seconds_trained
from nmt.training.signals import Interrupted, Signals, remembered_signals
from nmt.training.step import Counters, Trainer, TrainState, zero_sums
from nmt.training.validation import Validation, Validator

__all__ = ["Interrupted", "train"]

logger = logging.getLogger(__name__)
MOST_SKIPPED = 100  # updates in a row that were not finite, after which training is given up


class Progress(NamedTuple):
    """What the loop itself remembers; saved with every checkpoint.

    Attributes:
      validated: the step of the last validation; one that was broken off will be done again.
      best_score: of the validations so far.
      stale: validations since the best one, which early stopping counts.
      plateau: validations since the best one or the last cut of the learning rate.
    """

    validated: int = 0
    best_score: float = -math.inf
    stale: int = 0
    plateau: int = 0


def train(config: Config, path: Path) -> None:
    """Trains in a run directory, from where the run stopped or from the beginning.

    Args:
      config: the whole config.
      path: of the run directory, made where there is none.
    Raises:
      NmtError: a mistake of the user.
      Interrupted: SIGINT or SIGTERM came; all is saved.
    """
    run = RunDirectory(path)
    is_new = not run.exists()
    if is_new:
        run = RunDirectory.create(path, config)
    with run.locked():
        run.check_same_config(config)
        try:
            with logging_to(run.log_file), remembered_signals() as signals:
                checkpoints = Checkpoints(run.checkpoints, keep_last=config.training.keep_last)
                try:
                    _train(config, run, checkpoints, signals)
                finally:
                    checkpoints.close()
        except NmtError:
            if is_new and not run.metrics_file.exists():  # a mistake that came out in preparation
                run.discard()
            raise


def _train(config: Config, run: RunDirectory, checkpoints: Checkpoints, signals: Signals) -> None:
    training = config.training
    clock = Clock(seconds_trained(run.metrics_file))
    prepared = prepare(config, run)
    trainer, state = _initial(config, prepared)
    state, progress, first_step = _resumed(config, checkpoints, state)
    if _finished(training, progress):
        logger.info("run %s is finished: %d steps", run.path, first_step)
        return
    if _out_of_time(training, clock, first_step) and progress.validated == first_step:
        logger.info("run %s has used up training.max_minutes: %d steps", run.path, first_step)
        return
    signals.check()
    logger.info("%s parameters", f"{count_parameters(state.params):,}")
    shapes = prepared.batches.shapes
    compiled = CompiledSteps(trainer, state, shapes, training.accumulation)
    validator = Validator(config, trainer.graph, state.params, prepared)
    reporter = Reporter(run, first_step, training.num_steps)
    key = jax.random.key(training.seed)
    indices = range(first_step * training.accumulation, training.num_steps * training.accumulation)
    batches = prefetch(prepared.batches.batch, indices, depth=2 * training.accumulation)
    log = Log(training, trainer, prepared.batches, reporter, clock, state)

    # A checkpoint of an interruption serves resuming only: a regular one of its step is still due.
    last_saved = first_step if first_step in checkpoints.steps() else max(first_step - 1, 0)
    step = first_step
    try:
        while True:
            signals.check()
            out_of_time = _out_of_time(training, clock, step)
            last = step == training.num_steps or out_of_time
            if (step % config.validation.every == 0 or last) and progress.validated < step:
                jax.block_until_ready(state.params)
                clock.pause()
                weights = state.params if state.average is None else state.average
                translations = run.translations / f"{step}.txt"
                validation = validator.validate(weights, translations, signals.check)
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
            state, metrics = compiled.step(state, now, jax.random.fold_in(key, step))
            step += 1
            reporter.advance()
            if step % training.log_every == 0 or step == training.num_steps:
                _check_skipped(log.write(step, state, metrics))
                state = replace(state, sums=zero_sums())
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


def _initial(config: Config, prepared: Prepared) -> tuple[Trainer, TrainState]:
    """The state before the first step."""
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
    return trainer, trainer.initial_state(params)


def _items(state: TrainState, progress: Progress) -> dict[str, Any]:
    """What a checkpoint holds: the weights, their average, and the rest of training."""
    rest = {
        "opt_state": state.opt_state,
        "counters": state.counters,
        "sums": state.sums,
        "lr_scale": state.lr_scale,
        "progress": progress,
    }
    average = {} if state.average is None else {AVERAGE: state.average}
    return {PARAMS: state.params, **average, "training": rest}


def _resumed(
    config: Config, checkpoints: Checkpoints, state: TrainState
) -> tuple[TrainState, Progress, int]:
    """The state of the last whole checkpoint, or the initial one."""
    step = checkpoints.latest()
    if step is None:
        return state, Progress(), 0
    items = checkpoints.restore(step, like=_items(state, Progress()))
    rest = items["training"]
    logger.info("resuming at step %d", step)
    progress = rest.pop("progress")
    return TrainState(items[PARAMS], items.get(AVERAGE), **rest), progress, step


def _finished(training: TrainingConfig, progress: Progress) -> bool:
    """Whether the last step was taken and validated, or early stopping has stopped."""
    out_of_patience = training.patience is not None and progress.stale >= training.patience
    return progress.validated >= training.num_steps or out_of_patience


def _out_of_time(training: TrainingConfig, clock: Clock, step: int) -> bool:
    """Whether training.max_minutes are over, which is never so before the first step."""
    return training.max_minutes is not None and step > 0 and clock.minutes >= training.max_minutes


def _judged(
    training: TrainingConfig,
    progress: Progress,
    state: TrainState,
    validation: Validation,
    step: int,
) -> tuple[Progress, TrainState]:
    """Counts a validation; lowers the learning rate on a plateau."""
    if validation.score > progress.best_score:
        return Progress(validated=step, best_score=validation.score), state
    stale, plateau = progress.stale + 1, progress.plateau + 1
    progress = Progress(step, progress.best_score, stale, plateau)
    if training.schedule == "plateau" and progress.plateau >= training.plateau_patience:
        scale = np.float32(state.lr_scale * training.plateau_factor)
        logger.info("no better score: the learning rate falls to %g of its peak", scale)
        return progress._replace(plateau=0), replace(state, lr_scale=jnp.asarray(scale))
    return progress, state


def _check_skipped(counters: Counters) -> None:
    if counters.skipped_in_a_row:
        logger.warning(
            "%d updates were not finite and left out, the last at step %d",
            counters.skipped,
            counters.last_skipped + 1,
        )
    if counters.skipped_in_a_row >= MOST_SKIPPED:
        raise RunError(
            f"training diverged: {counters.skipped_in_a_row} updates in a row were not finite; "
            "try a lower training.learning_rate, more training.warmup_steps, "
            "or a smaller training.clip_norm"
        )
