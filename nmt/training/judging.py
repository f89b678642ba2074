"""What follows from validations: the best weights, early stopping, the learning rate on a plateau.

All of it is decided for each member by itself. One that has run out of patience is measured no more
and its state stays as it is, while the others go on; training ends when none is left.
"""

import logging
import math
from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np

from nmt.config.schema import TrainingConfig
from nmt.models.build import Params
from nmt.training.members import Members
from nmt.training.step import TrainState, with_lr_scale, with_running

logger = logging.getLogger(__name__)


class Progress(NamedTuple):
    """What the loop itself remembers of a member; saved with every checkpoint.

    Attributes:
      validated: the step of the last validation; one that was broken off will be done again. A
        member that lags behind the others in this has stopped early, and stays stopped.
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


class Standing(NamedTuple):
    """Where the members of a run stand.

    Attributes:
      members: the progress of each.
      best: the weights of each at its own best validation, on the leading axis. None before the
        first validation; and always in a run of one seed, which keeps the checkpoint of its best
        validation instead: of several seeds each has its own, which would be as many checkpoints.
    """

    members: tuple[Progress, ...]
    best: Params | None = None

    @property
    def validated(self) -> int:
        """The step of the last validation."""
        return max(progress.validated for progress in self.members)

    def running(self, training: TrainingConfig) -> list[bool]:
        """Which members have not stopped early."""
        return [
            progress.validated == self.validated and not out_of_patience(training, progress)
            for progress in self.members
        ]

    def finished(self, training: TrainingConfig) -> bool:
        """Whether the last step was taken and validated, or all members have stopped early."""
        return self.validated >= training.num_steps or not any(self.running(training))

    def with_worse(self, worse: Mapping[int, int]) -> "Standing":
        """The same with other counts of logs far worse than a guess, by the member's number."""
        members = list(self.members)
        for k, count in worse.items():
            members[k] = members[k]._replace(worse=count)
        return self._replace(members=tuple(members))


def out_of_patience(training: TrainingConfig, progress: Progress) -> bool:
    """Whether early stopping stops a member."""
    return training.patience is not None and progress.stale >= training.patience


def weights(state: TrainState) -> Params:
    """What is validated and translated with: the moving average where there is one."""
    return state.params if state.average is None else state.average


def judge(
    training: TrainingConfig,
    members: Members,
    standing: Standing,
    state: TrainState,
    scores: Mapping[int, float],
    step: int,
) -> tuple[Standing, TrainState]:
    """Counts a validation; keeps the best weights, stops members, lowers learning rates.

    Args:
      training: says how.
      members: of the run.
      standing: before the validation.
      state: that was validated.
      scores: of the members that were, by number; higher is better.
      step: of the validation.
    """
    best = _best_weights(members, standing, state, scores)
    before = standing.members
    after, scales = list(before), np.array(members.unstacked(jax.device_get(state.lr_scale)))
    for k, score in scores.items():
        after[k], is_plateau = _counted(training, before[k], score, step)
        if is_plateau:
            scales[k] *= np.float32(training.plateau_factor)
            logger.info(
                "%sno better score: the learning rate falls to %g of its peak",
                members.named(k),
                scales[k],
            )
    if (scales != jax.device_get(state.lr_scale)).any():
        state = with_lr_scale(state, scales if members.leading else scales[0])
    standing = Standing(tuple(after), best)
    if members.leading:
        state = with_running(state, _said(training, members, standing, scores))
    return standing, state


def _said(
    training: TrainingConfig, members: Members, standing: Standing, scores: Mapping[int, float]
) -> list[bool]:
    """Which members go on; says which of them stop now."""
    running = standing.running(training)
    for k in scores:
        if not running[k]:
            stale = standing.members[k].stale
            logger.info("%sno better score in %d validations: it stops", members.named(k), stale)
    return running


def _counted(
    training: TrainingConfig, progress: Progress, score: float, step: int
) -> tuple[Progress, bool]:
    """Counts a validation of a member; and whether its learning rate is to fall."""
    if score > progress.best_score:
        return progress._replace(validated=step, best_score=score, stale=0, plateau=0), False
    progress = progress._replace(
        validated=step, stale=progress.stale + 1, plateau=progress.plateau + 1
    )
    if training.schedule == "plateau" and progress.plateau >= training.plateau_patience:
        return progress._replace(plateau=0), True
    return progress, False


def _best_weights(
    members: Members, standing: Standing, state: TrainState, scores: Mapping[int, float]
) -> Params | None:
    """The weights of each member's best validation, this one counted."""
    if not members.leading:
        return None
    better = [
        # Of a member without any score yet, which is never finite, the last weights are the best.
        k in scores and (scores[k] > progress.best_score or progress.best_score == -math.inf)
        for k, progress in enumerate(standing.members)
    ]
    others = weights(state) if standing.best is None else standing.best
    return members.chosen(better, weights(state), others)
