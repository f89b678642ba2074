"""Which model of a run of several seeds is meant.

What the user calls a model by is its seed: `training.seed` + k of member k.
"""

from nmt.config.schema import TrainingConfig
from nmt.errors import RunError
from nmt.runs.directory import RunDirectory

ENSEMBLE = "ensemble"  # all models as one
MEAN = "mean"  # each model by itself, and the mean of what is measured
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
        raise RunError(f"run {run.path} has {known}; got seed {choice!r}")
    return [seeds.index(choice)]


def check_several(run: RunDirectory, training: TrainingConfig, choice: str) -> None:
    """Raises RunError where something is wanted of several models, and there is one."""
    if training.num_seeds == 1:
        raise RunError(
            f"run {run.path} has one model, of the seed {training.seed}; {choice!r} needs several "
            "(training.num_seeds)"
        )
