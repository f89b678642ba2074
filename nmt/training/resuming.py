"""Where training begins: the initial state, or all that the last whole checkpoint holds."""

import contextlib
import logging
from collections.abc import Callable
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import jax
from flax import nnx
from jax.sharding import Mesh

from nmt.analysis.records import read_records
from nmt.config.schema import Config
from nmt.devices.mesh import set_like
from nmt.devices.processes import from_first, is_first
from nmt.errors import RunError
from nmt.models.build import build_model, count_parameters, split_model
from nmt.models.execution import for_training
from nmt.runs.checkpoints import BEST, MOVING_AVERAGE, PARAMS, Checkpoints
from nmt.runs.directory import RunDirectory, write_atomically
from nmt.training.judging import Progress, Standing, weights
from nmt.training.members import Members
from nmt.training.reporting import is_validation
from nmt.training.step import Trainer, TrainState

logger = logging.getLogger(__name__)
NO_CHECKPOINT = -1
MANY = 2**23  # parameters, of which making the initial ones takes longer than compiling it well


def initial(
    config: Config, members: Members, vocabulary_sizes: tuple[int, int], mesh: Mesh
) -> tuple[Trainer, TrainState]:
    """The state before the first step, made on the devices of a mesh by one compiled program."""
    trainer, _, fresh = planned(config, members, vocabulary_sizes, mesh)
    return trainer, fresh()


def planned(
    config: Config, members: Members, vocabulary_sizes: tuple[int, int], mesh: Mesh
) -> tuple[Trainer, TrainState, Callable[[], TrainState]]:
    """What is known of training before any number of it is made, which takes its time.

    Args:
      config: of the run.
      members: of the run.
      vocabulary_sizes: pieces of the source and of the target.
      mesh: of devices, on which nothing is done yet.
    Returns:
      the constants; what the state looks like and where it lies, as `jax.ShapeDtypeStruct`; and
      what makes it as it is before the first step.
    """
    training, (source_size, target_size) = config.training, vocabulary_sizes
    build = partial(
        build_model,
        config.model,
        source_size=source_size,
        target_size=target_size,
        precision=training.precision,
    )
    platform = mesh.devices.flat[0].platform
    graph, _ = split_model(for_training(nnx.eval_shape(build), training, platform))
    trainer = Trainer.from_config(graph, training)

    def of_member(seed):
        return trainer.initial_state(split_model(build(seed=seed))[1])

    fresh = members.one_by_one(of_member)
    shapes = jax.eval_shape(fresh)
    where = members.shardings(shapes, mesh)
    form = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        where,
    )
    options = _to_run_once(count_parameters(form.params)) if platform == "cpu" else None
    return trainer, form, jax.jit(fresh, out_shardings=where, compiler_options=options)


def _to_run_once(num_parameters: int) -> dict[str, int]:
    """Compiler options for initial parameters on a CPU.

    At level 0 the program of 10 million parameters compiles in 2.4 s and takes 1.6 s, at level 1 in
    4.0 and 0.3 s, at level 3 in 5.1 and 0.3 s; the next time it is only loaded.
    """
    return {"xla_backend_optimization_level": 0 if num_parameters < MANY else 1}


def items_of(members: Members, state: TrainState, standing: Standing) -> dict[str, Any]:
    """What a checkpoint holds: the weights, their average, and the rest of training.

    In a run of several seeds every array has the members on its first axis, and there are the best
    weights of each of them too.
    """
    rest = {
        "opt_state": state.opt_state,
        "counters": state.counters,
        "sums": state.sums,
        "lr_scale": state.lr_scale,
        "progress": members.stacked(standing.members),
    }
    average = {} if state.average is None else {MOVING_AVERAGE: state.average}
    best = {} if standing.best is None else {BEST: standing.best}
    return {PARAMS: state.params, **average, **best, "training": rest}


def resumed(
    checkpoints: Checkpoints, members: Members, state: TrainState
) -> tuple[TrainState, Standing, int]:
    """Takes up training where the last whole checkpoint left it.

    Args:
      checkpoints: of the run.
      members: of the run.
      state: the initial one, or its form; it is the result where there is no checkpoint.
    Returns:
      The state on the same devices, where the members stand, and the steps taken.
    """
    step = from_first(_latest(checkpoints) if is_first() else 0)
    standing = Standing((Progress(),) * len(members))
    if step == NO_CHECKPOINT:
        return state, standing, 0
    if BEST in checkpoints.manifest(step).items:
        standing = standing._replace(best=weights(state))
    items = checkpoints.restore(step, like=items_of(members, state, standing))
    rest = items["training"]
    logger.info("resuming at step %d", step)
    standing = Standing(tuple(members.unstacked(rest.pop("progress"))), items.get(BEST))
    running = set_like(state.running, True)
    state = TrainState(items[PARAMS], items.get(MOVING_AVERAGE), **rest, running=running)
    return state, standing, step


def set_aside_if_lost(run: RunDirectory, step: int, save_every: int) -> None:
    """Where training begins anew, as all checkpoints are gone, keeps its metrics beside the new.

    Its time is forgotten with them. A run that was killed before its first checkpoint has lost
    none: its time counts.

    Args:
      run: that is taken up.
      step: where.
      save_every: a record of a later step had a checkpoint before it, and so has each validation.
    Raises:
      RunError: the metrics cannot be kept.
    """
    if step > 0 or not run.metrics_file.exists():
        return
    records = read_records(run.metrics_file)
    if not any(record["step"] > save_every or is_validation(record) for record in records):
        return
    name = f"metrics.until-{records[-1]['step']}"
    suffixes = chain([""], (f".{k}" for k in count(2)))
    places = (run.metrics_file.with_name(f"{name}{suffix}.jsonl") for suffix in suffixes)
    beside = next(place for place in places if not place.exists())
    write_atomically(beside, run.metrics_file.read_bytes())
    write_atomically(run.metrics_file, "")
    run.seconds_file.unlink(missing_ok=True)
    logger.warning(
        "no checkpoint is left: training begins anew; what was measured before is in %s", beside
    )


def seconds_trained(run: RunDirectory, checkpoints: Checkpoints, step: int) -> float:
    """How long a run has been trained: what most is known of.

    Args:
      run: whose last record tells it, or its seconds.txt, where later records were forgotten.
      checkpoints: of the run, of which the one where it resumes tells it too.
      step: where that is; of step 0 there is one where training was stopped before its first step.
    Raises:
      RunError: seconds.txt is damaged.
    """
    records = read_records(run.metrics_file) if run.metrics_file.exists() else []
    told = [record["seconds"] for record in records[-1:] if record.get("seconds") is not None]
    if run.seconds_file.exists():
        told.append(_number_in(run.seconds_file))
    with contextlib.suppress(RunError):
        told.append(checkpoints.manifest(step).seconds)
    return max(told, default=0.0)


def _number_in(path: Path) -> float:
    try:
        return float(path.read_text())
    except ValueError:
        raise RunError(f"{path} is damaged: a number of seconds is wanted") from None


def _latest(checkpoints: Checkpoints) -> int:
    step = checkpoints.latest()
    return NO_CHECKPOINT if step is None else step
