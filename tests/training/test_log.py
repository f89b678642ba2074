"""What is said of the steps since the last log: epochs, and rates by the time they took."""

import logging
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from nmt.config.schema import TrainingConfig
from nmt.data.batching import Batches
from nmt.data.encoding import EncodedPairs
from nmt.data.ragged import Ragged
from nmt.data.shapes import Shape
from nmt.data.vocabulary import SpecialPieces
from nmt.training import clock
from nmt.training.clock import Clock
from nmt.training.log import Log
from nmt.training.loss import LossSums
from nmt.training.members import Members
from nmt.training.step import Counters, Metrics, TrainState

NUM_BATCHES = 6  # of an epoch


class Records(list):
    """A reporter that keeps what it is told."""

    def record(self, step, **values):
        self.append({"step": step, **values})


@pytest.fixture
def now(monkeypatch):
    """The time in seconds, as a list of one number to be changed."""
    seconds = [1000.0]
    monkeypatch.setattr(clock.time, "perf_counter", lambda: seconds[0])
    return seconds


def some_batches():
    """Two pairs to a batch."""
    side = Ragged.from_arrays([np.array([5, 3])] * (2 * NUM_BATCHES))
    special = SpecialPieces(0, 2, 3)
    return Batches(EncodedPairs(side, side), [Shape(2, 2, 2)], special, data_seed=0, model_seed=1)


def state_at(step, *, num_pieces):
    """After so many steps, with the sums of so many pieces since the last log."""
    counters = Counters(*(np.int32(count) for count in (step, 0, 0, -1)))
    sums = LossSums(np.float32(num_pieces), np.float32(num_pieces), np.int32(num_pieces))
    return TrainState({}, None, (), counters, sums, jnp.ones(()), jnp.array(True))


def log_from(state, **training):
    records = Records()
    config = TrainingConfig(**training)
    log = Log(config, Members((1,)), some_batches(), records, Clock(), state)
    return log, records


def metrics_of(state):
    return Metrics(state.sums, np.float32(1), np.float32(0.1))


@pytest.mark.parametrize("accumulation", [1, 2, 3])
def test_an_epoch_ends_with_the_step_that_takes_its_last_batch(now, accumulation):
    log, records = log_from(state_at(0, num_pieces=0), accumulation=accumulation)
    steps_of_an_epoch = NUM_BATCHES // accumulation
    expected = [epoch for epoch in (1, 2, 3) for _ in range(steps_of_an_epoch)]
    for step in range(1, len(expected) + 1):
        now[0] += 1
        state = state_at(step, num_pieces=4)
        log.write(step, state, metrics_of(state))
    assert [record["epoch"] for record in records] == expected


def test_rates_count_what_was_done_since_training_was_taken_up(now, caplog):
    """Of the 160 pieces at the first log 100 are those of before, when step 3 had been taken."""
    caplog.set_level(logging.INFO, logger="nmt")
    log, records = log_from(state_at(3, num_pieces=100), num_steps=10)
    for step, num_pieces, seconds in ((4, 160, 3.0), (6, 90, 2.0)):
        now[0] += seconds
        state = state_at(step, num_pieces=num_pieces)
        log.write(step, state, metrics_of(state))
    assert [record["tokens_per_second"] for record in records] == [60 / 3, 90 / 2]
    said = [record.getMessage() for record in caplog.records]
    assert "20 tokens/s, 0:18 left" in said[0]  # six steps of three seconds
    assert "45 tokens/s, 0:04 left" in said[1]  # four steps of one second


@pytest.mark.parametrize(
    "nll, shown", [(2.0, "perplexity 7.39,"), (100.0, "perplexity 2.69e+43,"), (3e10, "inf,")]
)
def test_a_perplexity_is_a_short_number_however_large_it_is(now, caplog, nll, shown):
    caplog.set_level(logging.INFO, logger="nmt")
    log, _ = log_from(state_at(0, num_pieces=0))
    now[0] += 1
    sums = LossSums(np.float32(nll), np.float32(nll), np.int32(1))
    state = replace(state_at(1, num_pieces=1), sums=sums)
    log.write(1, state, metrics_of(state))
    assert shown in caplog.text
