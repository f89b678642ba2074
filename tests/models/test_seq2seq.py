"""Log-probabilities from features, and what moves hypotheses about."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from nmt.models.seq2seq import (
    DecoderState,
    Projection,
    gather_hypotheses,
    log_probs_from_features,
    logits_from_features,
    padded_size,
)


def random_projection(size, features_dim=6, precision="float32"):
    """Its padding rows hold numbers that would win every argmax."""
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(padded_size(size), features_dim)).astype(np.float32)
    bias = rng.normal(size=padded_size(size)).astype(np.float32)
    bias[size:] = 1e4
    return Projection(jnp.asarray(kernel), jnp.asarray(bias), size, precision)


def random_features(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", [1, 11, 128])
def test_log_probs_are_a_log_softmax_over_the_real_vocabulary(size):
    projection, features = random_projection(size), random_features(2, 3, 6)
    log_probs = np.asarray(log_probs_from_features(features, projection))
    kernel, bias = np.asarray(projection.kernel[:size]), np.asarray(projection.bias[:size])
    for b, t in np.ndindex(2, 3):
        expected = scipy.special.log_softmax(kernel @ features[b, t] + bias)
        np.testing.assert_allclose(log_probs[b, t, :size], expected, atol=1e-5)
    assert log_probs.shape == (2, 3, 128)
    assert (np.exp(log_probs[..., size:]) == 0).all()
    assert (log_probs[..., size:] < -1e38).all() and np.isfinite(log_probs).all()


def test_logits_in_bfloat16_are_float32_and_close():
    features = random_features(4, 6)
    exact = logits_from_features(features, random_projection(11))
    ours = logits_from_features(features, random_projection(11, precision="bfloat16"))
    assert ours.dtype == jnp.float32
    np.testing.assert_allclose(ours[:, :11], exact[:, :11], atol=0.1)
    np.testing.assert_array_equal(ours[:, 11:], np.finfo(np.float32).min)


def test_padding_rows_get_no_gradient():
    features = random_features(4, 6)

    def loss(projection):
        return log_probs_from_features(features, projection)[:, 0].sum()

    gradient = jax.grad(loss)(random_projection(11))
    assert np.asarray(gradient.kernel)[:11].any()
    assert not np.asarray(gradient.kernel)[11:].any()
    assert not np.asarray(gradient.bias)[11:].any()


@pytest.mark.parametrize(("size", "rows"), [(1, 128), (127, 128), (128, 128), (129, 384)])
def test_padded_size(size, rows):
    assert padded_size(size) == rows


def test_projection_is_a_pytree_of_kernel_and_bias():
    projection = random_projection(11)
    assert len(jax.tree.leaves(projection)) == 2
    twice = jax.tree.map(lambda leaf: 2 * leaf, projection)
    assert (twice.size, twice.precision) == (11, "float32")
    np.testing.assert_array_equal(twice.kernel, 2 * projection.kernel)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 2)])
@pytest.mark.parametrize("num_parents", [1, 3, 5])
def test_gather_hypotheses_matches_loops(shape, num_parents):
    leaf = random_features(*shape)
    parents = np.random.default_rng(2).integers(3, size=(2, num_parents))
    gathered = gather_hypotheses(leaf, parents)
    assert gathered.shape == (2, num_parents, *shape[2:])
    for b, j in np.ndindex(2, num_parents):
        np.testing.assert_array_equal(gathered[b, j], leaf[b, parents[b, j]])


def test_reorder_moves_every_leaf():
    @partial(jax.tree_util.register_dataclass, data_fields=["a", "b"], meta_fields=[])
    @dataclass(frozen=True)
    class TwoLeaves(DecoderState):
        a: jax.Array
        b: tuple[jax.Array, ...]

    state = TwoLeaves(random_features(2, 3), (random_features(2, 3, 4),))
    moved = state.reorder(np.array([[2, 2, 0], [1, 0, 1]]))
    np.testing.assert_array_equal(moved.a, state.a[[[0], [1]], [[2, 2, 0], [1, 0, 1]]])
    np.testing.assert_array_equal(moved.b[0][0], state.b[0][0, [2, 2, 0]])
    np.testing.assert_array_equal(moved.b[0][1], state.b[0][1, [1, 0, 1]])
    assert state.grow(100) is state
