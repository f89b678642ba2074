"""What is said of a training that goes wrong, and when it is given up."""

import logging
import math

import numpy as np
import pytest

from nmt.data.batching import Batches, choose_shapes
from nmt.data.encoding import EncodedPairs, Ragged
from nmt.data.vocabulary import SpecialPieces
from nmt.errors import RunError
from nmt.training.divergence import MOST_SKIPPED, MOST_WORSE, check_finite, count_worse
from nmt.training.step import Counters


@pytest.fixture(scope="module")
def batches():
    side = Ragged.from_arrays([np.full(n, 3, np.int32) for n in (2, 3, 4, 5, 6, 7)])
    shapes = choose_shapes(
        side.lengths,
        side.lengths,
        num_shapes=2,
        batch_pieces=14,
        batch_sentences=None,
        row_multiple=1,
    )
    return Batches(
        EncodedPairs(side, side), shapes, SpecialPieces(0, 2, 3), data_seed=0, model_seed=0
    )


def test_skipped_updates_are_told_with_the_batches_of_the_last(batches, caplog):
    caplog.set_level(logging.WARNING, logger="nmt")
    check_finite(Counters(9, skipped=0, skipped_in_a_row=0, last_skipped=-1), batches, 2, since=0)
    one_before = Counters(9, skipped=3, skipped_in_a_row=0, last_skipped=4)  # finite since
    check_finite(one_before, batches, 2, since=5)
    assert not caplog.records
    check_finite(one_before, batches, 2, since=4)
    (record,) = caplog.records
    message = record.getMessage()
    assert message.startswith("3 updates were not finite and left out, the last at step 5: batch 8")
    for index in (8, 9):  # step 4, from 0, took batches 8 and 9
        pairs = sorted(batches.indices(index)[batches.indices(index) >= 0] + 1)
        assert f"batch {index}, " in message
        assert f"pairs {', '.join(map(str, pairs))}" in message


def test_too_many_skipped_updates_in_a_row_end_training(batches):
    counters = Counters(200, MOST_SKIPPED, MOST_SKIPPED, 199)
    with pytest.raises(RunError, match="diverged: 100 updates in a row.*try a lower"):
        check_finite(counters, batches, 1, since=150)


def test_a_loss_far_above_that_of_a_guess_ends_training():
    guess, worse = math.log(100), 0
    for _ in range(2 * MOST_WORSE):  # fresh parameters may be somewhat worse than a guess
        worse = count_worse(2 * guess, 100, worse)
    assert worse == 0
    for count in range(1, MOST_WORSE):
        worse = count_worse(4 * guess, 100, worse)
        assert worse == count
    assert count_worse(math.nan, 100, worse) == worse  # nothing was measured
    assert count_worse(guess, 100, worse) == 0
    with pytest.raises(RunError, match="the loss is inf after 10 logs.*try a lower"):
        count_worse(math.inf, 100, worse)
