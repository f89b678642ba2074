"""Rows packed and not: what is made of live hypotheses is what a step of all of them makes."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.decoding.live_rows import for_live, step_live
from tests.decoding.conftest import TableState

NUM_SENTENCES, SIZE = 16, 20


@partial(jax.tree_util.register_dataclass, data_fields=["previous"], meta_fields=[])
@dataclass(frozen=True)
class SharedState(TableState):
    """One whose hypotheses are not to be stepped alone."""

    is_by_hypothesis = False


@pytest.mark.parametrize("state_class", [TableState, SharedState])
@pytest.mark.parametrize("num_hypotheses", [1, 3])
def test_live_hypotheses_are_stepped_as_all_are(table_model, state_class, num_hypotheses):
    model = table_model(SIZE)
    shape = (NUM_SENTENCES, num_hypotheses)
    rng = np.random.default_rng(num_hypotheses)
    source = rng.integers(4, SIZE, (NUM_SENTENCES, 5))
    memory = model.encode(jnp.asarray(source), jnp.ones(source.shape, bool))
    pieces, previous = rng.integers(4, SIZE, (2, *shape))
    state = TableState(jnp.asarray(previous))
    expected, features, _ = model.step(state, memory, pieces, jnp.full(shape, 6))

    @jax.jit
    def step(is_live):
        return step_live(
            model,
            state_class(state.previous),
            memory,
            jnp.asarray(pieces),
            jnp.int32(6),
            is_live=is_live,
            then=lambda features, sentence: (2 * features, sentence),
        )

    for num_live in (1, shape[0] * shape[1] // 3, shape[0] * shape[1]):
        is_live = (rng.permutation(shape[0] * shape[1]) < num_live).reshape(shape)
        left, (doubled, sentence) = step(is_live)
        np.testing.assert_array_equal(left.previous[is_live], expected.previous[is_live])
        np.testing.assert_allclose(doubled[is_live], 2 * features[is_live], atol=1e-6)
        np.testing.assert_array_equal(np.asarray(sentence)[is_live], np.nonzero(is_live)[0])


def test_only_live_hypotheses_are_stepped_where_they_can_be(table_model):
    stepped = []

    class Watched(table_model):
        def step(self, state, memory, piece, position):
            stepped.append(piece.shape)
            return super().step(state, memory, piece, position)

    model = Watched(SIZE)
    source = np.full((NUM_SENTENCES, 2), 5)
    memory = model.encode(jnp.asarray(source), jnp.ones(source.shape, bool))
    pieces = jnp.full((NUM_SENTENCES, 4), 5)
    for state_class in (TableState, SharedState):
        step_live(
            model,
            state_class(pieces),
            memory,
            pieces,
            jnp.int32(2),
            is_live=pieces > 0,
            then=lambda features, sentence: features,
        )
    both = (NUM_SENTENCES, 4)  # where most are live, and where none can be stepped alone
    assert stepped == [(32, 1), (48, 1), both, both]  # traced for each size


@pytest.mark.parametrize("num_rows", [1, 5, 40, 130])
def test_live_rows_are_packed_and_come_back_to_their_places(num_rows):
    rng = np.random.default_rng(num_rows)
    rows = rng.normal(size=(num_rows, 3)).astype(np.float32)
    packed = jax.jit(lambda live, rows: for_live(lambda r: (r.sum(axis=1), r), live, rows))
    for num_live in range(num_rows + 1):
        is_live = rng.permutation(num_rows) < num_live
        sums, same = packed(is_live, rows)
        np.testing.assert_array_equal(np.asarray(same)[is_live], rows[is_live])
        np.testing.assert_allclose(np.asarray(sums)[is_live], rows[is_live].sum(axis=1), rtol=1e-6)


def test_few_live_rows_cost_few_rows():
    sizes = []

    def program(rows):
        jax.debug.callback(lambda: sizes.append(len(rows)))
        return rows

    for num_live in (1, 40, 64):
        for_live(program, jnp.arange(64) < num_live, jnp.ones((64, 2)))
    jax.effects_barrier()
    assert sizes == [32, 48, 64]
