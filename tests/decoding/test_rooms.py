"""Room for target positions: every sentence gets the steps that it needs, however they run."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.decoding.rooms import rooms, run_in_rooms, run_some_at_a_time
from nmt.models.seq2seq import DecoderState

MAX_LENGTH = 22


@partial(jax.tree_util.register_dataclass, data_fields=["past"], meta_fields=[])
@dataclass(frozen=True)
class Past(DecoderState):
    """What was read so far, (B, L)."""

    past: jax.Array

    def grow(self, max_length):
        return Past(jnp.pad(self.past, [(0, 0), (0, max_length - self.past.shape[1])]))


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["position", "left", "sums", "decoder"],
    meta_fields=[],
)
@dataclass(frozen=True)
class State:
    position: jax.Array
    left: jax.Array  # (B,), steps that a sentence still needs
    sums: jax.Array  # (B,), of all that it has read
    decoder: Past


def add_up(values, wanted):
    """Sums of value + position over the first `wanted` positions of each sentence.

    Returns:
      sums (B,), and of each step the sentences, the room and the position.
    """
    steps = []

    def step(values, state):
        past = state.decoder.past.at[:, state.position].set(values + state.position)
        jax.debug.callback(lambda p: steps.append((*past.shape, int(p))), state.position)
        sums = jnp.where(state.left > 0, past.sum(axis=1), state.sums)
        return State(state.position + 1, state.left - 1, sums, Past(past))

    @jax.jit
    def run(values, wanted):
        past = jnp.zeros((len(wanted), 0), jnp.int32)
        start = State(jnp.int32(0), wanted, jnp.zeros_like(wanted), Past(past))
        return run_in_rooms(
            step, lambda state: state.left > 0, lambda state: state.sums, values, start, MAX_LENGTH
        )

    sums = jax.block_until_ready(run(jnp.asarray(values), jnp.asarray(wanted)))
    jax.effects_barrier()
    return sums, steps


@pytest.mark.parametrize("shortest", [1, 9, MAX_LENGTH])
@pytest.mark.parametrize("num_sentences", [1, 20, 37, 64])
def test_every_sentence_gets_its_own_steps_and_keeps_its_past(num_sentences, shortest):
    rng = np.random.default_rng(num_sentences)
    values = rng.integers(100, size=num_sentences)
    wanted = rng.integers(shortest, MAX_LENGTH + 1, size=num_sentences)
    sums, steps = add_up(values, wanted)
    expected = [sum(v + p for p in range(n)) for v, n in zip(values, wanted, strict=True)]
    np.testing.assert_array_equal(sums, expected)
    assert all(position < room for _, room, position in steps)


def test_there_are_as_few_sentences_and_as_little_room_as_may_be():
    wanted = np.repeat([3, 8, 10, 13, MAX_LENGTH], [20, 20, 8, 8, 8])
    _, steps = add_up(np.ones(64, int), wanted)
    assert [step[:2] for step in sorted(steps, key=lambda step: step[2])] == [
        *[(64, 6)] * 6,
        *[(64, 11)] * 2,  # then more than half of them are done
        *[(32, 11)] * 2,
        (16, 11),
        *[(16, 22)] * 11,
    ]


def test_none_gets_all_the_room_where_all_are_done_before():
    _, steps = add_up(np.ones(64, int), np.repeat([3, 11], 32))
    assert [step[:2] for step in steps] == [*[(64, 6)] * 3, *[(32, 11)] * 8]


@pytest.mark.parametrize(("num_long", "num_groups"), [(64, 4), (48, 3), (33, 3), (49, 4)])
def test_where_most_are_long_some_go_on_at_a_time(num_long, num_groups):
    wanted = np.random.default_rng(0).permutation(np.repeat([3, 15], [64 - num_long, num_long]))
    sums, steps = add_up(np.ones(64, int), wanted)
    np.testing.assert_array_equal(sums, [sum(1 + p for p in range(n)) for n in wanted])
    assert [step[:2] for step in steps if step[2] < 11] == [*[(64, 6)] * 6, *[(64, 11)] * 5]
    assert [step[:2] for step in steps if step[2] >= 11] == [(16, 22)] * 4 * num_groups


def test_few_sentences_have_all_the_room_at_once():
    assert rooms(1, 42) == [(1, 42)]
    assert rooms(31, 42) == [(31, 42)]
    assert rooms(32, 42) == [(32, 11), (32, 21), (16, 21), (16, 42)]
    assert rooms(64, 42) == [(64, 11), (64, 21), (32, 21), (16, 21), (16, 42)]
    assert rooms(64, 2) == [(64, 1), (32, 1), (16, 1), (16, 2)]


@pytest.mark.parametrize("num_live", [0, 1, 5, 9, 10])
def test_those_that_are_live_run_some_at_a_time(num_live):
    is_live = np.random.default_rng(0).permutation(10) < num_live
    sizes = []

    def run(batch, state):
        jax.debug.callback(lambda: sizes.append(len(batch)))
        return state + 100 * batch

    batch, state = jnp.arange(10), jnp.where(is_live, 1, 0)
    found = jax.jit(
        lambda batch, state: run_some_at_a_time(
            run, lambda state: state > 0, lambda state: state, batch, state, size=4
        )
    )(batch, state)
    jax.effects_barrier()
    assert sizes == [4] * -(-num_live // 4)
    np.testing.assert_array_equal(found[is_live], (state + 100 * batch)[is_live])
