"""The Transformer's parts; whole models are in test_transformer.py."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import nnx

from nmt.models.transformer_layers import EncoderLayer, FeedForward, Residual, Stack, sinusoids


def test_sinusoids_interleaved_as_published():
    D, table = 8, np.asarray(sinusoids(np.arange(50), 8, "interleaved"))
    for p in range(50):
        for i in range(D // 2):
            angle = p / 10000 ** (2 * i / D)
            np.testing.assert_allclose(table[p, 2 * i], np.sin(angle), atol=1e-5)
            np.testing.assert_allclose(table[p, 2 * i + 1], np.cos(angle), atol=1e-5)


def test_sinusoids_in_halves_are_a_permutation():
    positions = np.array([[0, 3], [17, 255]])
    interleaved = np.asarray(sinusoids(positions, 8, "interleaved"))
    halves = np.asarray(sinusoids(positions, 8, "halves"))
    assert halves.shape == (2, 2, 8)
    np.testing.assert_array_equal(halves[..., :4], interleaved[..., 0::2])
    np.testing.assert_array_equal(halves[..., 4:], interleaved[..., 1::2])


def test_a_shift_of_positions_is_a_rotation():
    """Section 3.5: PE(p + k) is a linear function of PE(p), the same for every p."""
    k, D = 7, 8
    table = np.asarray(sinusoids(np.arange(40), D, "interleaved"), np.float64)
    for i in range(D // 2):
        angle = k / 10000 ** (2 * i / D)
        rotation = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
        shifted = table[:-k, 2 * i : 2 * i + 2] @ np.transpose(rotation)
        np.testing.assert_allclose(table[k:, 2 * i : 2 * i + 2], shifted, atol=1e-5)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_residual_normalises_before_or_after(transformer_config, norm):
    residual = Residual(replace(transformer_config, norm=norm, dropout=0.0), rngs=nnx.Rngs(0))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 2, 3, 8))

    def normal(v):
        mean = v.mean(axis=-1, keepdims=True)
        return (v - mean) / np.sqrt(((v - mean) ** 2).mean(axis=-1, keepdims=True) + 1e-5)

    before, after = residual.before(x), residual.after(x, y, None)
    np.testing.assert_allclose(before, normal(x) if norm == "pre" else x, atol=1e-5)
    np.testing.assert_allclose(after, x + y if norm == "pre" else normal(x + y), atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "gelu", "swish"])
def test_feedforward_activations(transformer_config, activation):
    layer = FeedForward(
        replace(transformer_config, activation=activation), precision="float32", rngs=nnx.Rngs(0)
    )
    W_1, W_2 = (np.asarray(w.kernel[...]) for w in (layer.W_1, layer.W_2))
    x = np.random.default_rng(0).normal(size=(2, 8))
    inner = x @ W_1
    expected = {
        "relu": np.maximum(inner, 0),
        # Hendrycks and Gimpel (2016), section 2: the approximation by tanh
        "gelu": inner / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3))),
        "swish": inner / (1 + np.exp(-inner)),
    }[activation]
    np.testing.assert_allclose(layer(x), expected @ W_2, atol=1e-5)


def test_stack_applies_its_layers_in_turn(transformer_config):
    rngs = nnx.Rngs(0)
    layers = [EncoderLayer(transformer_config, precision="float32", rngs=rngs) for _ in range(3)]
    stack = Stack(iter(layers).__next__, 3)
    # The first layer's arrays are the stack's now; take the layers from the stack.
    assert [leaf.shape[0] for leaf in jax.tree.leaves(nnx.state(stack.layers))] == [3] * 12
    mask = np.ones((1, 4), bool)
    x = expected = np.random.default_rng(0).normal(size=(1, 4, 8)).astype(np.float32)
    seen = []
    for layer in stack.unstacked():
        seen.append(expected)
        expected = layer(expected, mask, None)
    last, inputs = stack.scan(lambda layer, x, key: (layer(x, mask, key), x), x, None)
    np.testing.assert_allclose(last, expected, atol=1e-5)
    np.testing.assert_allclose(inputs, seen, atol=1e-5)
    for ours, original in zip(stack.unstacked()[1:], layers[1:], strict=True):
        for left, right in zip(
            jax.tree.leaves(nnx.state(ours)), jax.tree.leaves(nnx.state(original)), strict=True
        ):
            np.testing.assert_array_equal(left, right)


def test_stack_gives_every_layer_its_own_keys(transformer_config):
    stack = Stack(
        lambda: EncoderLayer(transformer_config, precision="float32", rngs=nnx.Rngs(0)), 3
    )
    keys = jax.random.split(jax.random.key(0), 2)  # of two sentences
    _, given = stack.scan(lambda layer, x, keys: (x, jax.random.key_data(keys)), np.zeros(2), keys)
    assert given.shape[:2] == (3, 2)
    assert len(np.unique(np.reshape(given, (6, -1)), axis=0)) == 6
