"""When training goes wrong: updates that are not finite, and a loss far worse than a guess's."""

import logging
import math

import numpy as np

from nmt.data.batching import FILLER, Batches
from nmt.errors import RunError
from nmt.training.step import Counters

logger = logging.getLogger(__name__)
MOST_SKIPPED = 100  # updates in a row that were not finite, after which training is given up
FAR_WORSE = 3.0  # times the nll of a guess
MOST_WORSE = 10  # logs in a row that are far worse, after which training is given up
ADVICE = (
    "try a lower training.learning_rate, more training.warmup_steps, "
    "or a smaller training.clip_norm"
)


def check_finite(
    counters: Counters, batches: Batches, accumulation: int, *, since: int, named: str = ""
) -> None:
    """Tells of updates that were not finite and left out, and of the batch of the last one.

    Args:
      counters: of the state, on the host.
      batches: of training; the pure function of the index that names the batch again.
      accumulation: batches to a step.
      since: the first step, from 0, of those that are logged now.
      named: what a message begins with, where there are several seeds.
    Raises:
      RunError: there were too many in a row.
    """
    step = int(counters.last_skipped)
    if step >= since:
        indices = range(step * accumulation, (step + 1) * accumulation)
        logger.warning(
            "%s%d updates were not finite and left out, the last at step %d: %s",
            named,
            counters.skipped,
            step + 1,
            "; ".join(_described(batches, index) for index in indices),
        )
    if counters.skipped_in_a_row >= MOST_SKIPPED:
        raise RunError(
            f"{named}training diverged: {counters.skipped_in_a_row} updates in a row were not "
            f"finite; {ADVICE}, and training.precision float32 where it is bfloat16"
        )


def count_worse(nll: float, vocabulary_size: int, worse: int, *, named: str = "") -> int:
    """Counts logs in a row whose loss is far worse than that of a guess.

    A guess gives each piece the same probability, so its nll is ln V. Fresh parameters may be
    somewhat worse, parameters that ran away are many times so.

    Args:
      nll: of a target piece, over the steps of this log; nan where all of them were left out.
      vocabulary_size: V.
      worse: the count so far.
      named: as in `check_finite`.
    Returns:
      the count now; 0 where the log is no such one.
    Raises:
      RunError: there were too many in a row.
    """
    if math.isnan(nll):
        return worse
    guess = math.log(vocabulary_size)
    worse = worse + 1 if nll > FAR_WORSE * guess else 0
    if worse >= MOST_WORSE:
        raise RunError(
            f"{named}training diverged: the loss is {nll:.1f} after {worse} logs in a row above "
            f"{FAR_WORSE * guess:.1f}, where a guess among {vocabulary_size} pieces has "
            f"{guess:.1f}; {ADVICE}"
        )
    return worse


def _described(batches: Batches, index: int) -> str:
    shape, indices = batches.shape_of(index), batches.indices(index)
    pairs = np.sort(indices[indices != FILLER]) + 1
    shown = ", ".join(map(str, pairs[:5])) + (", ..." if len(pairs) > 5 else "")
    return (
        f"batch {index}, {shape.source} x {shape.target} positions, "
        f"with the cleaned training pairs {shown}"
    )
