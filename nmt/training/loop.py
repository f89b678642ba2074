"""The training loop, in order: validate, save, stop, or else step and log."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
from jax.sharding import Mesh

from nmt.config.schema import Config, TrainingConfig
from nmt.data.batching import Batch, Batches
from nmt.data.prefetching import prefetch
from nmt.devices.mesh import check_rows, describe, make_mesh, to_devices
from nmt.devices.processes import connect, first_alone, from_first, is_first
from nmt.models.build import count_parameters
from nmt.models.execution import check_platform, in_use
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.directory import RunDirectory
from nmt.training.clock import Clock, TimeLimit, duration
from nmt.training.compilation import CompiledSteps
from nmt.training.divergence import check_finite, count_worse
from nmt.training.judging import Standing, judge, weights
from nmt.training.log import Log
from nmt.training.members import Members
from nmt.training.opening import opened
from nmt.training.preparation import Prepared
from nmt.training.reporting import Reporter, Silence
from nmt.training.resuming import (
    items_of,
    planned,
    resumed,
    seconds_trained,
    set_aside_if_lost,
)
from nmt.training.signals import Interrupted, Signals, remembered_signals
from nmt.training.step import Metrics, TrainState, with_running, with_zero_sums
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
      Interrupted: SIGINT, SIGTERM or SIGHUP came; all is saved.
    """
    mesh = make_mesh(config.training.model_devices, devices)
    check_rows(
        mesh,
        row_multiple=config.data.row_multiple,
        batch_sentences=config.data.batch_sentences,
    )
    check_platform(config.training, mesh.devices.flat[0].platform)
    with (
        remembered_signals() as signals,
        opened(config, path, signals.check) as (run, prepared),
        contextlib.closing(
            Checkpoints(run.checkpoints, keep_last=config.training.keep_last)
        ) as checkpoints,
    ):
        _train(config, run, prepared, checkpoints, mesh, signals)


class Equipment(NamedTuple):
    """What the loop works with, made before the first step; the programs may follow it."""

    config: Config
    members: Members
    run: RunDirectory
    prepared: Prepared
    checkpoints: Checkpoints
    signals: Signals
    clock: Clock
    time_limit: TimeLimit
    compiled: CompiledSteps
    validator: Validator
    reporter: Reporter | Silence
    plans: list[Batches]
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
    training, members = config.training, Members(config.training.seeds)
    clock = Clock()
    trainer, form, fresh = planned(config, members, prepared.vocabulary_sizes, mesh)
    state, standing, step = resumed(checkpoints, members, form)
    first_alone(partial(set_aside_if_lost, run, step, training.save_every))
    if step > training.num_steps:  # the run is as long as it is, whatever is asked for now
        taken = replace(config, training=replace(training, num_steps=step))
        first_alone(partial(run.keep_config, taken))
    clock.add_earlier(seconds_trained(run, checkpoints, step))
    time_limit = TimeLimit(training.max_minutes, clock)
    if _is_over(training, run, standing, step, time_limit):
        return
    signals.check_alone()
    connect(mesh)
    _say_start(training, members, state, mesh)
    compiled = CompiledSteps(
        trainer,
        form,
        prepared.batches.shapes_from(step * training.accumulation),
        mesh,
        accumulation=training.accumulation,
        members=members,
        check=signals.check_alone,
    )
    validator = Validator(config, trainer.graph, prepared, mesh)
    plans = members.batches(prepared.batches)
    with (
        contextlib.closing(compiled),
        contextlib.closing(_reporter(config, run, step, standing, clock)) as reporter,
        contextlib.closing(_batches(config, members, plans, mesh, step)) as batches,
    ):
        state = fresh() if state is form else state  # while the programs of the steps compile
        state = with_running(state, standing.running(training)) if members.leading else state
        log = Log(training, members, prepared.batches, reporter, clock, state)
        equipment = Equipment(
            config=config,
            members=members,
            run=run,
            prepared=prepared,
            checkpoints=checkpoints,
            signals=signals,
            clock=clock,
            time_limit=time_limit,
            compiled=compiled,
            validator=validator,
            reporter=reporter,
            plans=plans,
            batches=batches,
            log=log,
        )
        step, standing = _loop(equipment, state, standing, step)
    checkpoints.wait()
    _say_end(training, members, standing, step, clock)


def _loop(
    equipment: Equipment, state: TrainState, standing: Standing, step: int
) -> tuple[int, Standing]:
    """Trains from a step on; returns the step where it ends, and where the members stand then."""
    config, signals, checkpoints = equipment.config, equipment.signals, equipment.checkpoints
    training, members, log = config.training, equipment.members, equipment.log
    last_saved, stepped = _last_saved(checkpoints, step), None
    try:
        while True:
            signals.check_on_all()
            last = step >= training.num_steps or equipment.time_limit.over(step)
            if (step % config.validation.every == 0 or last) and standing.validated < step:
                scores = _validate(equipment, state, standing, step)
                standing, state = judge(training, members, standing, state, scores, step)
                score = None if members.leading else scores[0]
                _save(equipment, state, standing, step, score=score)
            elif step % training.save_every == 0 and step > last_saved:
                _save(equipment, state, standing, step)
            if last or standing.finished(training):
                if step > log.last_step:  # it ends between two logs
                    _write_log(equipment, *stepped, standing, step)
                return step, standing

            batches = [next(equipment.batches) for _ in range(training.accumulation)]
            _wait_for_programs(equipment, state, batches)
            stepped = state, metrics = equipment.compiled.step(state, batches)
            step += 1
            equipment.reporter.advance()
            if step % training.log_every == 0 or step == training.num_steps:
                standing = _write_log(equipment, state, metrics, standing, step)
                state = with_zero_sums(state)
                checkpoints.check()
    except Interrupted as interrupted:
        _save(equipment, state, standing, step, interrupted=True)
        checkpoints.wait()
        logger.info("%s at step %d; the same command goes on from here", interrupted, step)
        raise


def _save(
    equipment: Equipment,
    state: TrainState,
    standing: Standing,
    step: int,
    *,
    score: float | None = None,
    interrupted: bool = False,
) -> None:
    """Saves all that training goes on from."""
    equipment.checkpoints.save(
        step,
        items_of(equipment.members, state, standing),
        score=score,
        interrupted=interrupted,
        seconds=equipment.clock.seconds,
    )


def _wait_for_programs(equipment: Equipment, state: TrainState, batches: list[Batch]) -> None:
    """Waits while the programs of these batches compile, which is no time of training."""
    if equipment.compiled.is_ready(batches):
        return
    jax.block_until_ready(state.params)  # earlier steps are
    equipment.clock.pause()
    equipment.compiled.wait(batches)
    equipment.clock.resume()


def _validate(
    equipment: Equipment, state: TrainState, standing: Standing, step: int
) -> dict[int, float]:
    """Measures and logs the weights of the members that train; returns the scores of these."""
    members = equipment.members
    jax.block_until_ready(state.params)
    equipment.clock.pause()
    logger.info("step %d: validating", step)
    validations: dict[int, Validation] = {}
    for k, is_running in enumerate(standing.running(equipment.config.training)):
        if is_running:
            validations[k] = equipment.validator.validate(
                members.member(weights(state), k),
                equipment.run.translations / f"{members.file_name(step, k)}.txt",
                equipment.signals.check_on_all,
            )
    equipment.clock.resume()
    better = {k for k, v in validations.items() if v.score > standing.members[k].best_score}
    equipment.log.write_validation(step, validations, better=better)
    return {k: validation.score for k, validation in validations.items()}


def _write_log(
    equipment: Equipment, state: TrainState, metrics: Metrics, standing: Standing, step: int
) -> Standing:
    """Logs a step, looks for signs of a divergence in what it gave, and remembers them.

    Args:
      equipment: of the loop.
      state, metrics: that the step gave; of members that stop after it, too.
      standing: where the members stand.
      step: that was taken.
    """
    training, members = equipment.config.training, equipment.members
    measured = equipment.log.write(step, state, metrics)
    since = (step - 1) // training.log_every * training.log_every
    size, worse = len(equipment.prepared.vocabularies.target), {}
    for k, (counters, nll) in measured.items():
        named, plan = members.named(k), equipment.plans[k]
        check_finite(counters, plan, training.accumulation, since=since, named=named)
        worse[k] = count_worse(nll, size, standing.members[k].worse, named=named)
    return standing.with_worse(worse)


def _reporter(
    config: Config, run: RunDirectory, step: int, standing: Standing, clock: Clock
) -> Reporter | Silence:
    """The first process speaks for all."""
    if not is_first():
        return Silence()
    return Reporter(
        run,
        step,
        config.training.num_steps,
        validated=standing.validated,
        seconds=clock.seconds,
    )


def _batches(
    config: Config, members: Members, plans: list[Batches], mesh: Mesh, step: int
) -> Iterator[Batch]:
    """The batches from a step on, made and dealt out to the devices ahead of their time."""
    accumulation, rows = config.training.accumulation, members.by_rows(mesh)
    return prefetch(
        lambda index: to_devices(rows, members.batch(plans, index)),
        range(step * accumulation, config.training.num_steps * accumulation),
        depth=2 * accumulation,
    )


def _last_saved(checkpoints: Checkpoints, step: int) -> int:
    """The last step whose regular checkpoint is not due any more.

    A checkpoint of an interruption serves resuming only: a regular one of its step is still due.
    """
    is_regular = from_first(int(is_first() and checkpoints.has_regular(step)))
    return step if is_regular else max(step - 1, 0)


def _is_over(
    training: TrainingConfig,
    run: RunDirectory,
    standing: Standing,
    step: int,
    time_limit: TimeLimit,
) -> bool:
    """Whether nothing is left to do when the run is taken up, and says so."""
    if standing.finished(training):
        logger.info("run %s is finished: %d steps", run.path, step)
        return True
    if standing.validated == step and time_limit.over_before(step):
        logger.info("run %s has used up training.max_minutes: %d steps", run.path, step)
        return True
    return False


def _say_start(training: TrainingConfig, members: Members, state: TrainState, mesh: Mesh) -> None:
    number = f"{count_parameters(state.params) // len(members):,}"
    models = f"{len(members)} models of " if members.leading else ""
    logger.info("%s%s parameters on %s", models, number, describe(mesh))
    if in_use(training.precision, mesh.devices.flat[0].platform) != training.precision:
        logger.warning(
            "this processor has no instructions for bfloat16; it trains faster with "
            "training.precision=float32"
        )


def _say_end(
    training: TrainingConfig, members: Members, standing: Standing, step: int, clock: Clock
) -> None:
    stopped_early = not any(standing.running(training)) and step < training.num_steps
    if stopped_early:
        stale = "" if members.leading else f" in {standing.members[0].stale} validations"
        logger.info("no better score%s: stopped early", stale)
    elif step < training.num_steps:
        logger.info("training.max_minutes is over")
    logger.info("finished %d steps in %s", step, duration(clock.seconds))
