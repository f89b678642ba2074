"""Dropout: how much is zeroed, what the rest is scaled by, what the key decides, and where."""

import itertools
from collections import Counter
from dataclasses import replace

import jax
import numpy as np
import pytest

from nmt.models import dropout as dropout_module
from nmt.models import recurrent, recurrent_encoder, transformer, transformer_layers
from nmt.models.dropout import draw_mask, drop, dropout, split_keys
from nmt.models.keys import keys_of_sentences


def keys(number, seed=3):
    return jax.random.split(jax.random.key(seed), number)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_zeroes_its_share_and_keeps_the_mean(rate):
    shape = 100, 1000
    size = np.prod(shape)
    dropped = np.asarray(dropout(np.ones(shape, np.float32), rate, keys(100)))
    zeros = np.mean(dropped == 0)
    assert abs(zeros - rate) < 5 * np.sqrt(rate * (1 - rate) / size)  # 5 standard errors
    np.testing.assert_allclose(dropped[dropped != 0], 1 / (1 - rate), rtol=1e-3)
    assert abs(dropped.mean() - 1) < 5 * np.sqrt(rate / (1 - rate) / size)


def test_scale_fits_the_rounded_rate():
    """3e-5 is 1.97 / 2^16: two of 2^16 patterns are zeroed, so the rest are 1 / (1 - 2 / 2^16)."""
    dropped = np.asarray(dropout(np.ones((4, 16), np.float64), 3e-5, keys(4)), np.float64)
    assert set(dropped.ravel()) <= {0.0, float(np.float32(2**16 / (2**16 - 2)))}


def test_without_keys_or_rate_nothing_changes():
    inputs = np.arange(6.0)
    assert dropout(inputs, 0.5, None) is inputs
    assert dropout(inputs, 0.0, keys(6)) is inputs


def test_kept_elements_are_scaled_inputs_and_carry_the_gradient():
    inputs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    dropped = np.asarray(dropout(inputs, 0.25, keys(50)))
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], inputs[kept] * 4 / 3, rtol=1e-6)
    gradient = jax.grad(lambda x: dropout(x, 0.25, keys(50)).sum())(inputs)
    np.testing.assert_allclose(gradient, kept * 4 / 3, rtol=1e-6)


def test_keys_decide_the_mask_and_elements_are_independent():
    ones = np.ones((200, 200), np.float32)
    first, again, other = (np.asarray(dropout(ones, 0.5, keys(200, seed))) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first == other) < 0.52  # as often as two fair coins agree
    assert np.mean(first[:, 1:] == first[:, :-1]) < 0.52
    assert np.mean(first[1:] == first[:-1]) < 0.52


@pytest.mark.parametrize("generator", ["threefry2x32", "rbg"])
def test_no_two_parts_of_a_mask_are_made_of_the_same_bits(generator):
    """Each hash decides about four elements, which lie in four parts of the mask."""
    of_sentences = jax.random.split(jax.random.key(3, impl=generator), 20)
    mask = np.asarray(draw_mask((20, 10, 800), 0.5, of_sentences)).reshape(20, 8, -1)
    for first, second in itertools.combinations(range(8), 2):
        agreeing = np.mean(mask[:, first] == mask[:, second])
        assert abs(agreeing - 0.5) < 5 * 0.5 / np.sqrt(20 * 1000)  # 5 standard errors


@pytest.mark.parametrize("rate", [0.1, 0.9, 1 - 2**-16])
def test_mask_compares_each_half_of_random_words_with_the_rate(rate):
    mask = np.asarray(draw_mask((2, 3, 5), rate, keys(2)))
    for sentence, key in enumerate(keys(2)):
        words = np.asarray(jax.random.key_data(jax.random.split(key, 4))).T  # 2 4
        halves = np.stack([words >> 16, words & 0xFFFF], axis=1).ravel()[:15]
        np.testing.assert_array_equal(mask[sentence].ravel(), halves >= round(rate * 2**16))


def test_a_hash_decides_about_four_elements():
    def operations(draw):
        return jax.jit(draw).lower(keys(6)).compile().cost_analysis()["flops"]

    ours = operations(lambda of_sentences: draw_mask((6, 50, 80), 0.5, of_sentences))
    by_jax = operations(jax.vmap(lambda key: jax.random.bits(key, (50, 80), np.uint16) >= 2**15))
    assert ours < 0.3 * by_jax


def test_the_mask_of_a_sentence_knows_nothing_of_those_beside_it():
    key, numbers = jax.random.key(3), np.arange(8)
    whole = draw_mask((8, 30), 0.5, keys_of_sentences(key, numbers))
    some = draw_mask((3, 30), 0.5, keys_of_sentences(key, numbers[4:7]))
    np.testing.assert_array_equal(some, whole[4:7])


def test_a_mask_drawn_beforehand_drops_the_same():
    inputs = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    keep = draw_mask(inputs.shape, 0.25, keys(5))
    for row in range(5):
        dropped = drop(inputs[row], 0.25, keep[row])
        np.testing.assert_array_equal(dropped, dropout(inputs, 0.25, keys(5))[row])
    assert draw_mask((5, 4), 0.25, None) is None and draw_mask((5, 4), 0.0, keys(5)) is None


def test_split_keys_are_all_different_and_of_each_sentence_alone():
    assert split_keys(None, 3) == [None] * 3
    given = keys(4)
    made = split_keys(given, 3)
    data = np.array([jax.random.key_data(of_all) for of_all in [given, *made]])
    assert len(np.unique(data.reshape(16, -1), axis=0)) == 16
    for ours, whole in zip(split_keys(given[2:], 3), made, strict=True):
        np.testing.assert_array_equal(jax.random.key_data(ours), jax.random.key_data(whole)[2:])


B, S, T = 2, 4, 5


@pytest.fixture
def masks_of(tiny, monkeypatch):
    """masks_of(config) -> Counter of (shape, rate): the masks that a forced pass draws.

    No key may serve twice on the way, be it for a mask or to be split.
    """
    drawn, used = Counter(), []

    def recorded_mask(shape, rate, keys):
        if keys is not None and rate:
            drawn[shape, rate] += 1
            used.append(jax.random.key_data(keys))
        return draw_mask(shape, rate, keys)

    def recorded_split(keys, number):
        if keys is not None:
            used.append(jax.random.key_data(keys))
        return split_keys(keys, number)

    for module in (dropout_module, recurrent):
        monkeypatch.setattr(module, "draw_mask", recorded_mask)
    for module in (recurrent, recurrent_encoder, transformer, transformer_layers):
        monkeypatch.setattr(module, "split_keys", recorded_split)
    # Traced, a scan over layers would draw the masks of one layer, by keys that are not known yet.
    monkeypatch.setattr(transformer_layers, "keeping_products", lambda step: step)

    def run(config):
        source, target_in = np.full((B, S), 5), np.full((B, T), 5)
        with jax.disable_jit():
            tiny(config).model(source, np.ones((B, S), bool), target_in, dropout_keys=keys(B))
        of_sentences = np.concatenate(used)
        assert len(np.unique(of_sentences, axis=0)) == len(of_sentences) > B
        return drawn

    return run


@pytest.mark.parametrize("feeding", [False, True])
def test_where_a_recurrent_model_drops_out(masks_of, recurrent_config, feeding):
    config = replace(recurrent_config, encoder_layers=3, input_feeding=feeding, dropout=0.5)
    annotations = B, S, 2 * config.encoder_dim
    expected = [
        (B, S, config.embedding_dim),
        (B, T, config.embedding_dim),
        *[annotations] * 2,  # between three layers of the encoder
        annotations,
        (B, T, config.readout_dim),
    ]
    assert masks_of(config) == Counter((shape, 0.5) for shape in expected)


def test_without_attention_the_one_context_drops_out(masks_of, recurrent_config):
    config = replace(recurrent_config, attention="none", dropout=0.5)
    expected = [
        (B, S, config.embedding_dim),
        (B, T, config.embedding_dim),
        (B, 2 * config.encoder_dim),
        (B, T, config.readout_dim),
    ]
    assert masks_of(config) == Counter((shape, 0.5) for shape in expected)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_where_a_transformer_drops_out(masks_of, transformer_config, norm):
    """Vaswani et al. (2017), section 5.4: embeddings and sublayers; attention weights besides."""
    rates = {"dropout": 0.5, "attention_dropout": 0.25}
    config = replace(transformer_config, norm=norm, encoder_layers=2, decoder_layers=3, **rates)
    heads = config.num_heads
    positions = [
        (B, S, config.model_dim),
        (B, T, config.model_dim),
        *[(B, S, config.model_dim)] * 2 * 2,  # two sublayers of each encoder layer
        *[(B, T, config.model_dim)] * 3 * 3,  # three of each decoder layer
    ]
    weights = [
        *[(B, heads, S, S)] * 2,
        *[(B, heads, T, T)] * 3,
        *[(B, heads, T, S)] * 3,
    ]
    expected = Counter((shape, 0.5) for shape in positions)
    expected.update((shape, 0.25) for shape in weights)
    assert masks_of(config) == expected
