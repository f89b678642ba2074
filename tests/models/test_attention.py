"""Attention against loops over queries, positions and heads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.models.attention import dot_product_attention, masked_softmax

LENGTHS = [5, 3, 1]
MASK = np.arange(5) < np.array(LENGTHS)[:, None]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_masked_softmax():
    energies, mask = 50 * random(2, 3, 5), MASK[:2, None]
    weights = np.asarray(masked_softmax(energies, mask))
    for b in range(2):
        for q in range(3):
            exps = [np.exp(np.float64(e)) for e in energies[b, q, : LENGTHS[b]]]
            np.testing.assert_allclose(weights[b, q, : LENGTHS[b]], exps / sum(exps), atol=1e-5)
            assert not weights[b, q, LENGTHS[b] :].any()  # exactly zero


def test_masked_softmax_of_a_row_of_padding_is_uniform():
    np.testing.assert_allclose(masked_softmax(random(4), np.zeros(4, bool)), [0.25] * 4)


def multi_head(queries, keys, values, allowed):
    """Vaswani et al. (2017), equation 1, by loops; allowed (B, Q, S)."""
    B, N, Q, d = queries.shape
    S = keys.shape[2]
    context, alignment = np.zeros((B, N, Q, d)), np.zeros((B, N, Q, S))
    for b, n, q in np.ndindex(B, N, Q):
        seen = [s for s in range(S) if allowed[b, q, s]]
        exps = [np.exp(queries[b, n, q] @ keys[b, n, s] / np.sqrt(d)) for s in seen]
        for s, e in zip(seen, exps, strict=True):
            alignment[b, n, q, s] = e / sum(exps)
            context[b, n, q] += alignment[b, n, q, s] * values[b, n, s]
    return context, alignment


@pytest.mark.parametrize("kind", ["padding", "causal"])
def test_dot_product_attention_matches_loops(kind):
    queries, keys, values = (random(3, 2, 5, 4, seed=seed) for seed in range(3))
    if kind == "padding":
        mask, allowed = MASK[:, None, None], np.broadcast_to(MASK[:, None], (3, 5, 5))
    else:
        mask = np.tril(np.ones((5, 5), bool))
        allowed = np.broadcast_to(mask, (3, 5, 5))
    context, alignment = dot_product_attention(queries, keys, values, mask, "float32")
    expected_context, expected_alignment = multi_head(queries, keys, values, allowed)
    np.testing.assert_allclose(context, expected_context, atol=1e-5)
    np.testing.assert_allclose(alignment, expected_alignment, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(alignment) == 0, expected_alignment == 0)


def test_dot_product_attention_equals_that_of_jax():
    queries, keys, values = (random(3, 2, 5, 4, seed=seed) for seed in range(3))
    mask = MASK[:, None, None]
    ours, _ = dot_product_attention(queries, keys, values, mask, "float32")
    heads_last = (array.swapaxes(1, 2) for array in (queries, keys, values))
    theirs = jax.nn.dot_product_attention(*heads_last, mask=mask).swapaxes(1, 2)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_dot_product_attention_in_bfloat16_is_close():
    arguments = [random(3, 2, 5, 4, seed=seed) for seed in range(3)]
    exact = dot_product_attention(*arguments, MASK[:, None, None], "float32")
    ours = dot_product_attention(*arguments, MASK[:, None, None], "bfloat16")
    for left, right in zip(ours, exact, strict=True):
        assert left.dtype == jnp.float32
        np.testing.assert_allclose(left, right, atol=0.03)


def test_dropout_acts_on_the_context_and_not_on_the_alignment():
    queries, keys = random(1, 1, 4, 5), random(1, 1, 5, 5, seed=1)
    values = np.eye(5, dtype=np.float32)[None, None]  # so that the context is the weights
    plain, alignment = dot_product_attention(queries, keys, values, np.True_, "float32")
    dropout_keys = jax.random.split(jax.random.key(0), 1)
    dropped, same = dot_product_attention(
        queries, keys, values, np.True_, "float32", rate=0.5, dropout_keys=dropout_keys
    )
    np.testing.assert_array_equal(same, alignment)
    zero = np.asarray(dropped) == 0
    assert 0 < zero.sum() < zero.size
    np.testing.assert_allclose(dropped, np.where(zero, 0, 2 * plain), rtol=1e-5)
