"""Where training begins: the initial state, or all that the last whole checkpoint holds."""

import logging
import math
from functools import partial
from typing import Any, NamedTuple

import jax
from flax import nnx
from jax.sharding import Mesh

from nmt.config.schema import Config
from nmt.devices.processes import from_first, is_first
from nmt.models.build import build_model, split_model
from nmt.models.partition import shardings
from nmt.runs.checkpoints import MOVING_AVERAGE, PARAMS, Checkpoints
from nmt.training.preparation import Prepared
from nmt.training.step import Trainer, TrainState

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


def initial(config: Config, prepared: Prepared, mesh: Mesh) -> tuple[Trainer, TrainState]:
    """The state before the first step, made on the devices of a mesh by one compiled program."""
    training, sizes = config.training, [len(side) for side in prepared.vocabularies]
    build = partial(
        build_model,
        config.model,
        source_size=sizes[0],
        target_size=sizes[1],
        precision=training.precision,
        seed=training.seed,
    )
    graph, _ = split_model(nnx.eval_shape(build))
    trainer = Trainer.from_config(graph, training)

    def fresh():
        return trainer.initial_state(split_model(build())[1])

    where = shardings(jax.eval_shape(fresh), mesh)
    return trainer, jax.jit(fresh, out_shardings=where)()


def items_of(state: TrainState, progress: Progress) -> dict[str, Any]:
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


def resumed(checkpoints: Checkpoints, state: TrainState) -> tuple[TrainState, Progress, int]:
    """Takes up training where the last whole checkpoint left it.

    Args:
      checkpoints: of the run.
      state: the initial one, on its devices; it is the result where there is no checkpoint.
    Returns:
      The state on the same devices, what the loop remembers, and the steps taken.
    """
    step = from_first(_latest(checkpoints) if is_first() else 0)
    if step == NO_CHECKPOINT:
        return state, Progress(), 0
    items = checkpoints.restore(step, like=items_of(state, Progress()))
    rest = items["training"]
    logger.info("resuming at step %d", step)
    progress = rest.pop("progress")
    return TrainState(items[PARAMS], items.get(MOVING_AVERAGE), **rest), progress, step


def _latest(checkpoints: Checkpoints) -> int:
    step = checkpoints.latest()
    return NO_CHECKPOINT if step is None else step
