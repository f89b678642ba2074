"""The chunked cross-entropy against a naive one that makes all logits at once."""

import math
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from nmt.devices.mesh import DATA, MODEL, make_mesh
from nmt.models.seq2seq import Projection, padded_size
from nmt.training import loss as loss_module
from nmt.training.loss import cross_entropy

B, T, E, SIZE = 3, 5, 6, 11
ROWS = padded_size(SIZE)
MASK = np.arange(T) < np.array([[5], [2], [0]])  # a whole sentence, a short one, a filler row
CHUNKS = {"one": 512, "even": 5, "filled": 4, "positions": 1}


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def features():
    return random(B, T, E)


@pytest.fixture
def target():
    return np.random.default_rng(1).integers(SIZE, size=(B, T))


def projection_of(kernel, bias, precision="float32"):
    return Projection(kernel, bias, SIZE, precision)


@pytest.fixture
def weights():
    """Kernel and bias; the padding rows would win every argmax."""
    bias = random(ROWS, seed=3)
    bias[SIZE:] = 100
    return random(ROWS, E, seed=2), bias


def naive(features, kernel, bias, target, mask, label_smoothing):
    """By Optax, over the real vocabulary, all logits at once."""
    logits = features @ kernel[:SIZE].T + bias[:SIZE]
    wanted = optax.smooth_labels(jax.nn.one_hot(target, SIZE), label_smoothing)
    losses = optax.softmax_cross_entropy(logits, wanted)
    nlls = optax.softmax_cross_entropy_with_integer_labels(logits, target)
    return jnp.where(mask, losses, 0).sum(), jnp.where(mask, nlls, 0).sum()


def ours(features, kernel, bias, target, mask, label_smoothing, precision="float32"):
    projection = projection_of(kernel, bias, precision)
    return cross_entropy(features, projection, target, mask, label_smoothing)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_sums_follow_the_definition_in_loops(features, weights, target, label_smoothing, precision):
    """(1 - e) nll + e mean(-log p), in float64; the operands of products are rounded before."""
    sums = ours(features, *weights, target, MASK, label_smoothing, precision)
    operands = (np.asarray(jnp.asarray(x, precision), np.float64) for x in (features, weights[0]))
    (features, kernel), bias = operands, weights[1].astype(np.float64)
    loss = nll = 0.0
    for b, t in np.ndindex(B, T):
        if MASK[b, t]:
            logits = [kernel[v] @ features[b, t] + bias[v] for v in range(SIZE)]
            log_p = logits - np.log(np.sum(np.exp(logits)))
            nll -= log_p[target[b, t]]
            loss -= (1 - label_smoothing) * log_p[target[b, t]]
            loss -= label_smoothing * sum(log_p) / SIZE
    np.testing.assert_allclose([sums.loss, sums.nll], [loss, nll], rtol=1e-5)
    assert sums.num_pieces == 7


@pytest.mark.parametrize("chunk", CHUNKS.values(), ids=CHUNKS)
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_values_and_gradients_equal_the_naive_ones(
    features, weights, target, label_smoothing, chunk, monkeypatch
):
    monkeypatch.setattr(loss_module, "CHUNK_POSITIONS", chunk)
    rest = (target, MASK, label_smoothing)
    expected_sums = naive(features, *weights, *rest)
    sums = ours(features, *weights, *rest)
    np.testing.assert_allclose(sums[:2], expected_sums, rtol=1e-5)

    expected = jax.grad(lambda *a: naive(*a, *rest)[0], (0, 1, 2))(features, *weights)

    def with_sums(*a):
        sums = ours(*a, *rest)
        return sums.loss, sums

    gradients, again = jax.grad(with_sums, (0, 1, 2), has_aux=True)(features, *weights)
    for left, right in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)
    np.testing.assert_allclose(again[:3], sums[:3], rtol=1e-6)


def test_gradient_scales_with_the_cotangent_and_nll_has_none(features, weights, target):
    def gradient(function):
        sums = lambda *a: function(ours(*a, target, MASK, 0.1))  # noqa: E731
        return jax.grad(sums, (0, 1, 2))(features, *weights)

    once = gradient(lambda sums: sums.loss)
    mixed = gradient(lambda sums: -2.5 * sums.loss + 7 * sums.nll)
    for left, right in zip(mixed, once, strict=True):
        np.testing.assert_allclose(left, -2.5 * np.asarray(right), rtol=1e-5, atol=1e-6)


def test_masked_positions_change_nothing(features, weights, target):
    def value_and_gradient(features, target):
        return jax.value_and_grad(lambda *a: ours(*a, target, MASK, 0.1).loss, (0, 1, 2))(
            features, *weights
        )

    loss, gradients = value_and_gradient(features, target)
    junk = np.where(MASK[..., None], features, 50 * random(B, T, E, seed=4))
    other_loss, other_gradients = value_and_gradient(junk, np.where(MASK, target, 0))
    np.testing.assert_allclose(other_loss, loss, rtol=1e-6)
    for left, right in zip(other_gradients, gradients, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)
    assert not np.asarray(gradients[0])[~MASK].any()


def test_padding_of_the_vocabulary_changes_nothing(features, weights, target):
    kernel, bias = weights
    gradient = jax.grad(lambda *a: ours(features, *a, target, MASK, 0.3).loss, (0, 1))(kernel, bias)
    assert not np.asarray(gradient[0])[SIZE:].any() and not np.asarray(gradient[1])[SIZE:].any()
    other = kernel.copy()
    other[SIZE:] = 9
    expected = ours(features, kernel, bias, target, MASK, 0.3)
    np.testing.assert_array_equal(ours(features, other, bias, target, MASK, 0.3), expected)


def test_bfloat16_is_close_to_float32(features, weights, target):
    """Logits of size 2.5 are rounded to 0.01; seven positions are summed."""

    def value_and_gradient(precision):
        return jax.value_and_grad(
            lambda *a: ours(*a, target, MASK, 0.1, precision).loss, (0, 1, 2)
        )(features, *weights)

    (exact, exact_gradients), (loss, gradients) = map(value_and_gradient, ("float32", "bfloat16"))
    np.testing.assert_allclose(loss, exact, atol=7 * 0.02)
    for left, right in zip(gradients, exact_gradients, strict=True):
        assert left.dtype == jnp.float32
        np.testing.assert_allclose(left, right, atol=0.02 * np.abs(right).max())


def test_uniform_predictions_cost_the_log_of_the_vocabulary(target):
    zeros = np.zeros((B, T, E)), np.zeros((ROWS, E)), np.zeros(ROWS)
    for label_smoothing in (0.0, 0.4):
        sums = ours(*(leaf.astype(np.float32) for leaf in zeros), target, MASK, label_smoothing)
        np.testing.assert_allclose(sums[:2], [7 * np.log(SIZE)] * 2, rtol=1e-5)


def test_chunked_program_never_holds_all_logits(features, weights, target, monkeypatch):
    """Neither forwards nor with the gradient; unchunked, it does. (A chunk exceeds the kernel.)"""
    features, weights = features[..., :3], (weights[0][:, :3], weights[1])
    features, pieces, mask = (np.concatenate([x, x]) for x in (features, target, MASK))

    def largest_logits(chunk):
        monkeypatch.setattr(loss_module, "CHUNK_POSITIONS", chunk)
        function = jax.value_and_grad(lambda *a: ours(*a, pieces, mask, 0.1).loss, (0, 1, 2))
        text = jax.jit(function).lower(features, *weights).as_text()
        shapes = re.findall(r"tensor<([\dx]+)xf32>", text)
        return max(math.prod(map(int, s.split("x"))) for s in shapes if s.endswith(f"x{ROWS}"))

    assert largest_logits(512) == 2 * B * T * ROWS
    assert largest_logits(15) == 15 * ROWS


def test_devices_may_differ_in_how_many_chunks_they_have(features, weights, target, monkeypatch):
    """One has a whole sentence, one two pieces, one nothing; two devices share the vocabulary."""
    monkeypatch.setattr(loss_module, "CHUNK_POSITIONS", 2)
    mesh = make_mesh(2, jax.devices()[:6])
    kernel, bias = weights
    weights = jax.device_put(kernel, NamedSharding(mesh, PartitionSpec(MODEL))), bias

    def value_and_gradient(weights, features, target, mask):
        loss = jax.value_and_grad(lambda *a: ours(*a, target, mask, 0.1).loss, (0, 1, 2))
        return loss(features, *weights)

    def of_own_rows(*arguments):
        loss, (features, *weights) = value_and_gradient(*arguments)
        return features, jax.lax.psum((loss, weights), DATA)

    rows, everywhere = PartitionSpec(DATA), PartitionSpec()
    spread = jax.shard_map(
        of_own_rows,
        mesh=mesh,
        in_specs=(everywhere, rows, rows, rows),
        out_specs=(rows, everywhere),
        axis_names={DATA},
        check_vma=False,
    )
    features_gradient, (loss, gradients) = jax.jit(spread)(weights, features, target, MASK)
    expected_loss, expected = value_and_gradient((kernel, bias), features, target, MASK)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    for left, right in zip((features_gradient, *gradients), expected, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


def bfloat16_products(program, *arguments):
    """(products of bfloat16, products) of the compiled program."""
    text = jax.jit(program).lower(*arguments).compile().as_text()
    dots = re.findall(r"= f32\[[\d,]*\]\S* dot\((?:\w+\[\S* )?(\S+), ", text)
    types = [re.search(rf"{re.escape(operand)}(?: =|:) (\w+)\[", text)[1] for operand in dots]
    return types.count("bf16"), len(types)


def test_no_product_of_the_loss_is_made_in_float32_by_the_compiler(features, weights, target):
    """XLA has code for some forms of products in bfloat16 alone; others it makes in float32."""
    half = jnp.ones((64, 64), jnp.bfloat16)
    product = partial(jnp.matmul, preferred_element_type=jnp.float32)
    of_bfloat16, in_all = bfloat16_products(product, half, half)
    assert in_all == 1
    if not of_bfloat16:
        pytest.skip("this processor, or XLA for it, multiplies no bfloat16")

    def loss(*arguments):
        return ours(*arguments, target, MASK, 0.1, "bfloat16").loss

    found = bfloat16_products(jax.grad(loss, (0, 1, 2)), features, *weights)
    assert found == (3, 3)  # the logits, and the gradients of features and kernel
