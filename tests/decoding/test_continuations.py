"""The best next pieces against log-softmax over the whole vocabulary; rows packed and not."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from nmt.decoding.continuations import best_continuations, best_pieces, output_of
from nmt.models.seq2seq import Projection, logits_from_features, padded_size

PAD, BOS, EOS = 0, 2, 3


def projection(size, dim=6, precision="float32"):
    rng = np.random.default_rng(size)
    rows = padded_size(size)
    kernel, bias = rng.normal(size=(rows, dim)), 2 * rng.normal(size=rows)
    return Projection(jnp.float32(kernel), jnp.float32(bias), size, precision)


def of_output(features, is_last, projection, num_pieces, forbidden_id=None):
    output = output_of(projection, BOS, PAD)
    if forbidden_id is not None:
        output = output.without(forbidden_id)
    return best_continuations(
        jnp.asarray(features), is_last, output=output, num_pieces=num_pieces, eos_id=EOS
    )


def slow_continuations(features, is_last, projection, num_pieces, forbidden_id=None):
    """log_probs and pieces (R, k): all of the vocabulary, in float64, sorted."""
    kernel, bias = np.asarray(projection.kernel), np.asarray(projection.bias)
    logits = (features.astype(np.float64) @ kernel.T + bias)[:, : projection.size]
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    log_probs[:, [PAD, BOS, *([] if forbidden_id is None else [forbidden_id])]] = -np.inf
    log_probs[np.ix_(is_last, np.arange(projection.size) != EOS)] = -np.inf
    order = np.argsort(-log_probs, axis=1, kind="stable")[:, :num_pieces]
    return np.take_along_axis(log_probs, order, axis=1), order


@pytest.mark.parametrize("num_pieces", [1, 3, 6, 7])
@pytest.mark.parametrize("rows", [64, 7 * 32, 8 * 32, 900])
def test_best_pieces_is_top_k_with_its_ties(num_pieces, rows):
    rng = np.random.default_rng(num_pieces)
    logits = rng.integers(0, 40, size=(3, 2, rows)).astype(np.float32)  # full of ties
    logits[0, 0, 5:] = -np.inf
    values, pieces = best_pieces(jnp.asarray(logits), num_pieces)
    order = np.argsort(-logits, axis=-1, kind="stable")[..., :num_pieces]
    np.testing.assert_array_equal(values, np.take_along_axis(logits, order, axis=-1))
    np.testing.assert_array_equal(pieces, order)


@pytest.mark.parametrize(("size", "forbidden"), [(5, None), (130, 7), (1500, None)])
def test_best_continuations_are_those_of_log_softmax(size, forbidden):
    features = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    of = projection(size)
    is_last = np.array([False, True, False, False])
    found = of_output(features, is_last, of, 4, forbidden)
    expected, order = slow_continuations(features, is_last, of, 4, forbidden)
    np.testing.assert_allclose(found.log_probs, expected, rtol=1e-5)
    is_there = np.isfinite(expected)
    np.testing.assert_array_equal(np.asarray(found.pieces)[is_there], order[is_there])


@pytest.mark.parametrize("forbidden", [None, 7])
def test_pieces_that_are_never_produced_take_no_place_however_likely_they_are(forbidden):
    features = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    of = projection(130)
    barred = [PAD, BOS, *([] if forbidden is None else [forbidden])]
    of = replace(of, bias=of.bias.at[jnp.array(barred)].add(20))
    never = np.zeros(4, bool)
    found = of_output(features, never, of, 4, forbidden)
    expected, order = slow_continuations(features, never, of, 4, forbidden)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found.log_probs, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.pieces, order)


def test_bfloat16_rounds_the_operands_alone(tiles):
    features = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    of = projection(300, precision="bfloat16")
    rounded = [np.asarray(jnp.bfloat16(x), np.float32) for x in (features, of.kernel)]
    exact = Projection(jnp.asarray(rounded[1]), of.bias, of.size, "float32")
    never = np.zeros(4, bool)
    found = of_output(features, never, of, 3)
    expected = of_output(rounded[0], never, exact, 3)
    np.testing.assert_array_equal(found.pieces, expected.pieces)
    np.testing.assert_allclose(found.log_probs, expected.log_probs, rtol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_logits_are_those_of_the_projection_and_of_some_of_its_pieces(precision, tiles):
    features = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    of = projection(130, precision=precision)
    output = output_of(of, BOS, PAD)
    assert output.is_transposed == (tiles and precision == "bfloat16")
    expected = np.asarray(logits_from_features(features, of))[:, :130]
    np.testing.assert_allclose(output.logits(features)[:, :130], expected, atol=1e-5)
    some = jnp.array([129, 3, 50])
    np.testing.assert_allclose(output.only(some).logits(features), expected[:, some], atol=1e-5)
