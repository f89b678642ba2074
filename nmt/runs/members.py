"""The models of a run of several seeds: which of them is meant, and their weights.

What the user calls a member by is its seed, `training.seed` + k of member k.
"""

from typing import Any

import jax

from nmt.config.schema import TrainingConfig
from nmt.errors import RunError
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.directory import RunDirectory

ENSEMBLE = "ensemble"  # all members as one model
Choice = int | str | None  # a seed, ENSEMBLE, or None for the first


def chosen(run: RunDirectory, training: TrainingConfig, choice: Choice) -> list[int]:
    """The numbers of the members that a choice names, from 0.

    Args:
      run: for messages.
      training: of its config.
      choice: the seed of a member; "ensemble" for all; None for the first.
    Raises:
      RunError: the run has no such member, or one alone, which is no ensemble.
    """
    seeds = training.seeds
    if choice is None:
        return [0]
    if choice == ENSEMBLE:
        check_several(run, training, choice)
        return list(range(len(seeds)))
    if choice not in seeds:
        known = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
        raise RunError(f"run {run.path} has {known} (training.seed); got seed {choice}")
    return [seeds.index(choice)]


def check_several(run: RunDirectory, training: TrainingConfig, choice: str) -> None:
    """Raises RunError where something is wanted of several members, and there is one."""
    if training.num_seeds == 1:
        raise RunError(
            f"run {run.path} has one seed, {training.seed}: {choice} needs several "
            "(training.num_seeds)"
        )


def restore_members(
    checkpoints: Checkpoints, step: int | str, item: str, shapes: Any, num_members: int
) -> list[Any]:
    """The weights of each member, as numpy.

    Args:
      checkpoints: of a run.
      step, item: as `Checkpoints.resolve` gives them.
      shapes: the weights of one member, as anything with shapes and types.
      num_members: of the run.
    Raises:
      RunError: the checkpoint is damaged, or of another model.
    """
    if num_members == 1:
        return [checkpoints.restore(step, {item: shapes})[item]]
    like = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((num_members, *leaf.shape), leaf.dtype), shapes
    )
    stacked = checkpoints.restore(step, {item: like})[item]
    return [jax.tree.map(lambda leaf, k=k: leaf[k], stacked) for k in range(num_members)]
