"""In which order each bottom layer attends and updates; its cell is tested elsewhere."""

import jax
import numpy as np
import pytest
from flax import nnx

from nmt.models.cells import CELLS
from nmt.models.decoder_layers import BOTTOM_LAYERS
from nmt.models.linear import linear

B, Q, M = 2, 3, 6  # sentences, queries, annotation dim
CELL_NAMES = ["gru_reset_before", "lstm"]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def new_cell():
    def make(name):
        return lambda input_dim, state_dim: CELLS[name](
            input_dim, state_dim, precision="float32", rngs=nnx.Rngs(0)
        )

    return make


@pytest.fixture
def new_layer(new_cell, recurrent_config):
    """(order, cell name) -> the layer."""

    def new_linear(*dims, **options):
        return linear(*dims, precision="float32", rngs=nnx.Rngs(1), **options)

    return lambda order, name: BOTTOM_LAYERS[order](new_cell(name), recurrent_config, M, new_linear)


class Attention:
    """Remembers who asked; its answers depend on the question."""

    def __init__(self, state_dim):
        self.W = random(state_dim, M, seed=5)

    def __call__(self, queries):
        self.queries = queries
        return np.asarray(queries) @ self.W, np.full((B, Q, 4), 0.25)


def random_state(cell):
    return jax.tree.map(lambda leaf: random(*leaf.shape, seed=6), cell.initial_state((B, Q)))


def assert_same_states(ours, expected):
    for left, right in zip(jax.tree.leaves(ours), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


def joined_cell(new_cell, name, layer, embedding_dim, state_dim):
    """One cell that reads [E y; c] with the layer's parameters W and C, one above the other."""
    cell = new_cell(name)(embedding_dim + M, state_dim)
    nnx.update(cell.U, nnx.state(layer.cell.U))
    if name == "gru_reset_before":
        nnx.update(cell.U_n, nnx.state(layer.cell.U_n))
    kernels = [layer.cell.W.kernel[...], layer.C.kernel[...]]
    cell.W.kernel[...] = np.concatenate(kernels)
    cell.W.bias[...] = layer.cell.W.bias[...]
    return cell


@pytest.mark.parametrize("name", CELL_NAMES)
def test_attend_update_asks_with_the_state_before(name, new_cell, new_layer, recurrent_config):
    """c_i = attend(s_{i-1}), s_i = cell(s_{i-1}, [E y_{i-1}; c_i])."""
    layer, dims = new_layer("attend_update", name), recurrent_config
    attend, state = Attention(dims.decoder_dim), random_state(layer.cell)
    embedded = random(B, Q, dims.embedding_dim)
    moved, context, alignment = layer.advance(state, layer.project(embedded), attend)

    np.testing.assert_array_equal(attend.queries, layer.cell.output(state))
    expected_context, expected_alignment = attend(layer.cell.output(state))
    cell = joined_cell(new_cell, name, layer, dims.embedding_dim, dims.decoder_dim)
    inputs = np.concatenate([embedded, expected_context], axis=-1)
    assert_same_states(moved, cell.step(state, cell.project(inputs)))
    np.testing.assert_array_equal(context, expected_context)
    np.testing.assert_array_equal(alignment, expected_alignment)


@pytest.mark.parametrize("name", CELL_NAMES)
def test_update_attend_update_asks_with_the_state_between(name, new_layer, recurrent_config):
    """s'_i = cell(s_{i-1}, E y_{i-1}), c_i = attend(s'_i), s_i = cell'(s'_i, c_i)."""
    layer, dims = new_layer("update_attend_update", name), recurrent_config
    attend, state = Attention(dims.decoder_dim), random_state(layer.cell)
    embedded = random(B, Q, dims.embedding_dim)
    moved, context, alignment = layer.advance(state, layer.project(embedded), attend)

    between = layer.cell.step(state, layer.cell.project(embedded))
    np.testing.assert_allclose(attend.queries, layer.cell.output(between), atol=1e-6)
    expected_context, expected_alignment = attend(layer.cell.output(between))
    second = layer.second_cell
    assert_same_states(moved, second.step(between, second.project(expected_context)))
    np.testing.assert_allclose(context, expected_context, atol=1e-6)
    np.testing.assert_array_equal(alignment, expected_alignment)


def test_update_attend_leaves_the_attention_to_the_decoder(new_layer):
    """s_i = cell(s_{i-1}, E y_{i-1}), and the top layer's s_i asks."""
    layer = new_layer("update_attend", "lstm")
    attend, state, embedded = Attention(5), random_state(layer.cell), random(B, Q, 4)
    moved, context, alignment = layer.advance(state, layer.project(embedded), attend)
    assert_same_states(moved, layer.cell.step(state, layer.cell.project(embedded)))
    assert context is None and alignment is None and not hasattr(attend, "queries")


@pytest.mark.parametrize("name", CELL_NAMES)
def test_fixed_context_is_read_at_every_step(name, new_cell, new_layer, recurrent_config):
    """s_i = cell(s_{i-1}, [E y_{i-1}; c])."""
    layer, dims = new_layer("every_step", name), recurrent_config
    state, embedded, fixed = random_state(layer.cell), random(B, Q, 4), random(B, M, seed=7)
    moved, context, alignment = layer.advance(
        state, layer.join(layer.project(embedded), fixed), None
    )

    cell = joined_cell(new_cell, name, layer, dims.embedding_dim, dims.decoder_dim)
    everywhere = np.broadcast_to(fixed[:, None], (B, Q, M))
    inputs = np.concatenate([embedded, everywhere], axis=-1)
    assert_same_states(moved, cell.step(state, cell.project(inputs)))
    assert context is None and alignment is None


@pytest.mark.parametrize("name", CELL_NAMES)
def test_initial_state_only_reads_no_context(name, new_layer):
    """s_i = cell(s_{i-1}, E y_{i-1})."""
    layer = new_layer("initial_state", name)
    state, embedded = random_state(layer.cell), random(B, Q, 4)
    moved, context, alignment = layer.advance(state, layer.project(embedded), None)
    assert_same_states(moved, layer.cell.step(state, layer.cell.project(embedded)))
    assert context is None and alignment is None
