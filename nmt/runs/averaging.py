"""The mean of the weights of the last checkpoints: Vaswani et al. (2017), section 6.1.

It is a checkpoint of its own, `checkpoints/average`. The moving average that training may keep
(training.average_decay) is something else: an item of every checkpoint.
"""

from collections.abc import Iterable

import jax
import numpy as np

from nmt.errors import RunError
from nmt.runs.checkpoints import PARAMS, Checkpoints

USUAL = 5  # of the base models there


def average_last(checkpoints: Checkpoints, number: int | None = None) -> tuple[int, ...]:
    """Averages the weights of the last regular checkpoints into the checkpoint `AVERAGE`.

    The best checkpoint, where it is kept although it is older than the last ones, is not among
    them. Damaged ones are named and passed over.

    Args:
      checkpoints: of a run that this process has locked; `keep_last` is that of the run's config.
      number: how many; when None, five or as many as there are.
    Returns:
      The steps that were averaged, in order.
    Raises:
      RunError: there are fewer, or the average cannot be written.
    """
    steps = checkpoints.last(number or USUAL)
    if not steps or len(steps) < (number or 1):
        run = checkpoints.folder.parent
        if not steps:
            raise RunError(f"run {run} has no finished checkpoint to average")
        kept = checkpoints.keep_last
        why = f": training keeps the last {kept} (training.keep_last)" if number > kept else ""
        raise RunError(
            f"the last {number} checkpoints of run {run} are wanted; got {len(steps)}{why}"
        )
    checkpoints.save_average(steps, mean(checkpoints.load_item(step, PARAMS) for step in steps))
    checkpoints.wait()
    return tuple(steps)


def mean(trees: Iterable[dict]) -> dict:
    """The mean of trees of arrays, computed in float64; each array keeps its own type."""
    count, sums, last = 0, None, None
    for last in trees:
        count += 1
        wide = jax.tree.map(np.float64, last)
        sums = wide if sums is None else jax.tree.map(np.add, sums, wide)
    assert count, "a mean is of something"
    return jax.tree.map(lambda total, leaf: (total / count).astype(leaf.dtype), sums, last)
