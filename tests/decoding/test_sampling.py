"""Sampling against the probabilities of an enumerable model."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nmt.decoding import sampling
from nmt.decoding.preparing import prepare
from nmt.decoding.search import beam_search, length_penalty

SOURCES = [[5, 9, 3], [4, 3, 0], [8, 6, 3]]


def run(model, sources=SOURCES, keys=(0, 1, 2), *, max_lengths=(9, 9, 9), method=None, **options):
    source = np.array(sources, np.int32)
    method = method or partial(
        sampling.sample, keys=jax.vmap(jax.random.key)(jnp.array(keys)), num_hypotheses=6
    )
    special = dict(bos_id=model.bos_id, eos_id=model.eos_id, pad_id=model.pad_id)
    options = {**special, "length_norm": 0.6, "max_length": max(max_lengths), **options}
    program = jax.jit(
        lambda lengths: method(model, source, source > 0, max_lengths=lengths, **options)
    )
    return jax.tree.map(np.asarray, program(np.array(max_lengths)))


def samples_of(drawn, sentence):
    """The pieces of each sample of a sentence, in a list."""
    pairs = zip(drawn.ids[sentence], drawn.lengths[sentence], strict=True)
    return [ids[:length].tolist() for ids, length in pairs]


def first_pieces(model, temperature=1.0):
    """The probabilities that the first piece of SOURCES[0] is drawn with."""
    probs = np.exp(model.log_probs(SOURCES[0], ()) / temperature)
    probs[[model.pad_id, model.bos_id]] = 0
    return probs / probs.sum()


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.0])
def test_frequencies_are_the_probabilities(table_model, temperature):
    model = table_model(8, seed=1, scale=0.7)
    drawn = run(
        model, SOURCES[:1], [5], max_lengths=[3], num_hypotheses=4000, temperature=temperature,
        method=partial(sampling.sample, keys=jax.random.key(5)[None]),
    )  # fmt: skip
    counts = np.bincount(drawn.ids[0, :, 0], minlength=8)
    expected = 4000 * first_pieces(model, temperature)
    assert counts[expected == 0].sum() == 0
    assert stats.chisquare(counts[expected > 0], expected[expected > 0]).pvalue > 0.001

    pairs = drawn.ids[0, drawn.ids[0, :, 0] == 5]  # the second piece, after a first one of 5
    log_probs = model.log_probs(SOURCES[0], (5,)) / temperature
    log_probs[[model.pad_id, model.bos_id]] = -np.inf
    probs = np.exp(log_probs) / np.exp(log_probs).sum()
    counts = np.bincount(pairs[:, 1], minlength=8)
    legal = probs > 0
    assert stats.chisquare(counts[legal], len(pairs) * probs[legal]).pvalue > 0.001


def test_log_probs_are_those_of_forced_decoding_whatever_the_temperature(table_model):
    model = table_model(30, seed=2)
    drawn = run(model, temperature=1.7, top_k=9, top_p=0.9, max_lengths=[3, 9, 14])
    for sentence, source in enumerate(SOURCES):
        source = [piece for piece in source if piece]
        for ids, length, log_prob, score in zip(*(leaf[sentence] for leaf in drawn), strict=True):
            ids = tuple(ids[:length].tolist())
            forced = sum(model.log_probs(source, ids[:i])[ids[i]] for i in range(length))
            np.testing.assert_allclose(log_prob, forced, rtol=1e-5)
            np.testing.assert_allclose(score, forced / length_penalty(length, 0.6), rtol=1e-5)


def test_samples_end_with_eos_then_padding_and_are_sorted(table_model):
    model = table_model(12, seed=3)
    never = [model.pad_id, model.bos_id, model.unk_id]
    model.last[:, :, never] += 20  # tempting, and yet forbidden
    prepared = prepare(model, model.bos_id, model.pad_id)
    prepared = prepared._replace(output=prepared.output.without(model.unk_id))
    drawn = run(model, max_lengths=[1, 4, 9], prepared=prepared)
    for ids, length in zip(drawn.ids.reshape(-1, 9), drawn.lengths.reshape(-1), strict=True):
        assert (ids == model.eos_id).nonzero()[0].tolist() == [length - 1]
        assert (ids[length:] == model.pad_id).all()
        assert not np.isin(ids[:length], never).any()
    assert (drawn.lengths <= np.array([[1], [4], [9]])).all()
    assert (np.diff(drawn.scores) <= 0).all()


@pytest.mark.parametrize("shift", [-1e4, 0.0, 1e4])
def test_a_temperature_that_logits_overflow_under_draws_the_likeliest(table_model, shift):
    model = table_model(12, seed=3)
    model.last[:, :, [model.pad_id, model.bos_id]] += 20  # tempting, and yet forbidden
    model.last += shift
    greedy = run(model, method=beam_search, beam_size=1)
    drawn = run(model, temperature=1e-35)
    assert (drawn.ids == greedy.ids).all()


def test_a_sample_that_is_not_a_number_is_an_empty_place_behind_the_others(table_model):
    model = table_model(12, seed=6, scale=0.3)
    usual = run(model)
    model.last[:, 9] = np.nan  # whatever follows piece 9
    drawn = run(model)
    num_empty = 0
    for sentence in range(len(SOURCES)):
        usual_ones = samples_of(usual, sentence)
        wanted = [ids for ids in usual_ones if 9 not in ids]
        missing = len(usual_ones) - len(wanted)
        num_empty += missing
        assert samples_of(drawn, sentence) == wanted + [[]] * missing
        assert (drawn.ids[sentence, len(wanted) :] == model.pad_id).all()
        assert np.isfinite(drawn.scores[sentence, : len(wanted)]).all()
        for leaf in (drawn.log_probs, drawn.scores):
            assert (leaf[sentence, len(wanted) :] == -np.inf).all()
    assert 0 < num_empty < drawn.lengths.size


def test_the_first_samples_are_the_same_however_many_there_are(table_model):
    model = table_model(30, seed=2)
    keys = jax.vmap(jax.random.key)(jnp.arange(3))
    few, more = (
        run(model, method=partial(sampling.sample, keys=keys, num_hypotheses=number))
        for number in (3, 7)
    )
    for sentence in range(len(SOURCES)):
        of_few, of_more = (set(map(tuple, samples_of(drawn, sentence))) for drawn in (few, more))
        assert len(of_few) == 3 and of_few < of_more


def test_drawing_from_one_piece_is_greedy_search(table_model):
    model = table_model(40, seed=4)
    drawn = run(model, top_k=1)
    greedy = run(model, method=beam_search, beam_size=1)
    assert (drawn.ids == greedy.ids).all()
    nearly_cold = run(model, temperature=1e-4)
    assert (nearly_cold.ids == greedy.ids).all()


def test_a_sentence_draws_by_its_own_key(table_model):
    model = table_model(40, seed=5)
    together = run(model)
    for sentence in range(3):
        alone = run(model, SOURCES[sentence : sentence + 1], [sentence], max_lengths=[9])
        np.testing.assert_array_equal(alone.ids[0], together.ids[sentence])
    other = run(model, keys=(3, 4, 5))
    assert (other.ids != together.ids).any()


@pytest.mark.parametrize("top_k", [1, 3, 200, 500])
def test_top_k_keeps_the_k_likeliest(top_k):
    logits = np.random.default_rng(0).normal(size=(2, 3, 256)).astype(np.float32)
    kept = np.isfinite(sampling.keep_likeliest(jnp.asarray(logits), top_k, None))
    ranks = np.argsort(np.argsort(-logits))
    np.testing.assert_array_equal(kept, ranks < top_k)


@pytest.mark.parametrize("top_p", [1e-6, 0.3, 0.8, 0.999])
@pytest.mark.parametrize("top_k", [None, 10])
def test_top_p_keeps_the_fewest_that_have_the_share(top_p, top_k):
    logits = np.random.default_rng(1).normal(size=(4, 50)).astype(np.float32)
    kept = np.isfinite(sampling.keep_likeliest(jnp.asarray(logits), top_k, top_p))
    for row, kept_row in zip(logits, kept, strict=True):
        likeliest = np.argsort(-row)[:top_k]
        probs = np.exp(row[likeliest]) / np.exp(row[likeliest]).sum()
        fewest = 1
        while probs[:fewest].sum() < top_p:
            fewest += 1
        assert set(kept_row.nonzero()[0]) == set(likeliest[:fewest])


def test_what_is_kept_keeps_its_logits():
    logits = jnp.array([3.0, 1.0, 2.0, -jnp.inf])
    np.testing.assert_array_equal(
        sampling.keep_likeliest(logits, 2, 1.0), [3.0, -np.inf, 2.0, -np.inf]
    )
    np.testing.assert_array_equal(sampling.keep_likeliest(logits, None, None), logits)
