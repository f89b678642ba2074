"""Beam search against exhaustive search and a slow pure-Python beam search."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.config.schema import RecurrentConfig
from nmt.decoding import search
from nmt.decoding.continuations import Continuations
from nmt.decoding.search import beam_search
from nmt.models.build import merge_model
from nmt.models.seq2seq import log_probs_from_features

SOURCES = [[5, 9, 3], [4, 3], [8, 8, 8, 6, 3], [3]]


def padded(sources, length=None):
    """Lists of ids -> source (B, S) and source_mask (B, S), with junk under the padding."""
    length = length or max(map(len, sources))
    source = np.full((len(sources), length), 11, np.int32)
    mask = np.zeros(source.shape, bool)
    for row, ids in enumerate(sources):
        source[row, : len(ids)], mask[row, : len(ids)] = ids, True
    return source, mask


def searcher(model, beam_size, max_length=16, **options):
    """A compiled beam search: (sources, max_lengths, length_norm, pad_to=9) -> Hypotheses."""
    special = dict(bos_id=model.bos_id, eos_id=model.eos_id, pad_id=model.pad_id)
    options = {**special, **options, "beam_size": beam_size, "max_length": max_length}
    program = jax.jit(partial(beam_search, model, **options))

    def search(sources, max_lengths, length_norm=0.6, pad_to=9):
        source, mask = padded(sources, pad_to)
        found = program(source, mask, max_lengths=np.array(max_lengths), length_norm=length_norm)
        return jax.tree.map(np.asarray, found)

    return search


def as_lists(found, sentence):
    """The hypotheses of a sentence as (score, log_prob, ids), best first."""
    return [
        (float(score), float(log_prob), tuple(ids[:length].tolist()))
        for ids, length, log_prob, score in zip(*(leaf[sentence] for leaf in found), strict=True)
        if length
    ]


def penalty(length, length_norm):
    return ((5 + length) / 6) ** length_norm


def exhaustive(model, source, max_length, length_norm):
    """Every translation of at most max_length pieces, best score first."""
    ended, prefixes = [], [(0.0, ())]
    for length in range(max_length):
        following = []
        for log_prob, prefix in prefixes:
            log_probs = model.log_probs(source, prefix)
            for piece in model.legal(length, max_length):
                total, ids = log_prob + log_probs[piece], (*prefix, piece)
                if piece == model.eos_id:
                    ended.append((total / penalty(length + 1, length_norm), total, ids))
                else:
                    following.append((total, ids))
        prefixes = following
    return sorted(ended, reverse=True)


def slow_beam(model, source, max_length, length_norm, beam_size):
    """Beam search with lists, in which what is not a number ends; it never stops early."""
    ended, live = [], [(0.0, ())]
    for length in range(max_length):
        candidates = []
        for log_prob, prefix in live:
            log_probs = model.log_probs(source, prefix)
            candidates += [
                (log_prob + log_probs[piece], (*prefix, piece))
                for piece in model.legal(length, max_length)
                if not np.isnan(log_probs[piece])
            ]
        best = sorted(candidates, reverse=True)[: beam_size - len(ended)]
        ended += [
            (total / penalty(length + 1, length_norm), total, ids)
            for total, ids in best
            if ids[-1] == model.eos_id
        ]
        live = [candidate for candidate in best if candidate[1][-1] != model.eos_id]
    return sorted(ended, reverse=True)


def assert_same(found, expected):
    assert [ids for _, _, ids in found] == [ids for _, _, ids in expected]
    np.testing.assert_allclose(
        [pair[:2] for pair in found], [pair[:2] for pair in expected], rtol=1e-5, atol=1e-5
    )


def test_full_width_beam_is_exhaustive_search(table_model):
    model = table_model(6, seed=3)
    max_lengths = [4, 3, 2, 1]
    search = searcher(model, len(exhaustive(model, SOURCES[0], 4, 0.0)), max_length=4)
    for length_norm in (0.0, 0.6, 1.5):
        found = search(SOURCES, max_lengths, length_norm)
        for sentence, (source, max_length) in enumerate(zip(SOURCES, max_lengths, strict=True)):
            expected = exhaustive(model, source, max_length, length_norm)
            assert_same(as_lists(found, sentence), expected)


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5, 8])
def test_matches_a_slow_beam_search(table_model, beam_size):
    model = table_model(9, seed=beam_size)
    max_lengths = [12, 10, 7, 3]
    search = searcher(model, beam_size)
    for length_norm in (0.0, 0.6, 2.0):
        found = search(SOURCES, max_lengths, length_norm)
        for sentence, (source, max_length) in enumerate(zip(SOURCES, max_lengths, strict=True)):
            expected = slow_beam(model, source, max_length, length_norm, beam_size)
            assert_same(as_lists(found, sentence), expected)


def test_a_hypothesis_whose_states_overflow_harms_no_rival(table_model):
    model = table_model(9, seed=2)
    usual = [slow_beam(model, source, 7, 0.6, 4) for source in SOURCES]
    model.last[:, 7] = np.nan  # whatever follows piece 7
    found = searcher(model, 4)(SOURCES, [7] * len(SOURCES))
    expected = [slow_beam(model, source, 7, 0.6, 4) for source in SOURCES]
    assert expected != usual and all(expected)
    for sentence in range(len(SOURCES)):
        assert_same(as_lists(found, sentence), expected[sentence])


@pytest.mark.parametrize("num_hypotheses", [1, 4])
def test_stopping_early_changes_nothing_that_is_wanted(table_model, num_hypotheses):
    """Where long translations are favoured, one that was behind often wins late."""
    model = table_model(9, seed=21, num_tables=40)
    sources = [[piece, 3] for piece in range(40)]  # each reads a table of its own
    search = searcher(model, 5, num_hypotheses=num_hypotheses)
    for length_norm in (1.0, 2.0):
        wanted = search(sources, [15] * 40, length_norm)
        assert wanted.ids.shape == (40, num_hypotheses, 16)
        for sentence, source in enumerate(sources):
            everything = slow_beam(model, source, 15, length_norm, 5)
            assert_same(as_lists(wanted, sentence), everything[:num_hypotheses])


def test_search_stops_once_the_best_is_sure(table_model):
    model = table_model(9, seed=2)
    model.first[:, 2:, model.eos_id] += 50  # whatever goes on to position 2 ends there
    source, mask = padded(SOURCES)
    positions = []

    class Counting:
        encode, init_state, projection = model.encode, model.init_state, model.projection

        def for_steps(self):
            return self

        def step(self, state, memory, piece, position):
            jax.debug.callback(lambda p: positions.append(int(p)), position)
            return model.step(state, memory, piece, position)

    found = beam_search(
        Counting(),
        source,
        mask,
        bos_id=model.bos_id,
        eos_id=model.eos_id,
        pad_id=model.pad_id,
        beam_size=4,
        length_norm=0.6,
        max_lengths=jnp.full(4, 40),
        max_length=40,
    )
    jax.effects_barrier()
    assert (found.lengths > 0).all()
    assert max(positions) <= 3


@pytest.mark.parametrize("seed", range(3))
def test_greedy_takes_the_likeliest_piece(table_model, seed):
    model = table_model(300, seed=seed)  # two blocks of the vocabulary and a part of a third
    found = searcher(model, 1, max_length=20)(SOURCES, [20] * 4)
    for sentence, source in enumerate(SOURCES):
        ids = ()
        while not ids or ids[-1] != model.eos_id:
            log_probs = model.log_probs(source, ids)
            ids += (max(model.legal(len(ids), 20), key=log_probs.__getitem__),)
        assert [ids] == [ids for _, _, ids in as_lists(found, sentence)]


def test_batch_mates_and_padding_change_nothing(table_model):
    model = table_model(40, seed=4)
    search = searcher(model, 3)
    together = search(SOURCES, [12, 9, 12, 5])
    for sentence, max_length in enumerate([12, 9, 12, 5]):
        alone = search([SOURCES[sentence]], [max_length], pad_to=6)
        assert_same(as_lists(alone, 0), as_lists(together, sentence))


def test_a_shortlist_is_a_smaller_vocabulary_whatever_the_batch_mates_have(table_model):
    model = table_model(300, seed=8)
    rng = np.random.default_rng(1)
    pieces = np.sort([model.eos_id, *rng.choice(np.arange(4, 300), 100, replace=False)])
    pieces = np.pad(pieces, (0, 27), constant_values=model.pad_id)
    allowed = (rng.random((4, 128)) < 0.3) & (pieces != model.pad_id) | (pieces == model.eos_id)
    found = searcher(model, 3, shortlist=(pieces, allowed))(SOURCES, [9, 12, 5, 2])

    class Own:  # the model with the pieces of one sentence alone
        eos_id = model.eos_id

        def __init__(self, own):
            self.own = own

        def log_probs(self, source, prefix):
            logits = np.full(300, -np.inf)
            logits[self.own] = model.log_probs(source, prefix)[self.own]
            return logits - np.log(np.exp(logits).sum())

        def legal(self, length, max_length):
            return [model.eos_id] if length + 1 == max_length else self.own.tolist()

    for sentence, max_length in enumerate([9, 12, 5, 2]):
        own = Own(pieces[allowed[sentence]])
        expected = slow_beam(own, SOURCES[sentence], max_length, 0.6, 3)
        assert_same(as_lists(found, sentence), expected)


def test_log_prob_is_that_of_forced_decoding(table_model):
    model = table_model(30, seed=5)
    max_lengths = [3, 8, 20, 2]  # short ones have their EOS forced
    found = searcher(model, 4, max_length=20)(SOURCES, max_lengths)
    for sentence, source in enumerate(SOURCES):
        for score, log_prob, ids in as_lists(found, sentence):
            forced = sum(model.log_probs(source, ids[:i])[ids[i]] for i in range(len(ids)))
            np.testing.assert_allclose(log_prob, forced, rtol=1e-5)
            np.testing.assert_allclose(score, forced / penalty(len(ids), 0.6), rtol=1e-5)


def test_log_prob_of_a_model_that_is_fed_is_that_of_forced_decoding(random_model):
    """Its hypotheses take what they are fed along when they are reordered."""
    config = RecurrentConfig(
        embedding_dim=3,
        encoder_dim=2,
        decoder_dim=4,
        readout_dim=5,
        attention="dot",
        decoder_order="update_attend",
        input_feeding=True,
    )
    model, (source, mask) = merge_model(*random_model(config, 9)), padded(SOURCES)
    special = dict(pad_id=0, bos_id=2, eos_id=3)
    lengths = dict(max_lengths=jnp.full(4, 7), max_length=7)

    @jax.jit
    def search_and_force():
        found = beam_search(
            model, source % 9, mask, beam_size=3, length_norm=0.0, **special, **lengths
        )
        targets = found.ids.reshape(12, 7)
        target_in = jnp.pad(targets, ((0, 0), (1, 0)), constant_values=2)[:, :7]
        decoded = model(jnp.repeat(source % 9, 3, 0), jnp.repeat(mask, 3, 0), target_in)
        log_probs = log_probs_from_features(decoded.features, model.projection())
        return found, jnp.take_along_axis(log_probs, targets[..., None], axis=2)[..., 0]

    found, picked = search_and_force()
    real = np.arange(7) < found.lengths.reshape(12, 1)
    np.testing.assert_allclose(
        found.log_probs.ravel(), np.where(real, picked, 0).sum(axis=1), rtol=1e-4
    )


def test_hypotheses_end_with_eos_then_padding_and_hold_no_other_special(table_model):
    model = table_model(7, seed=6)
    model.last[:, :, [model.pad_id, model.bos_id]] += 20  # tempting, and yet forbidden
    found = searcher(model, 5)(SOURCES, [9, 3, 1, 6])
    for ids, length in zip(found.ids.reshape(-1, 16), found.lengths.reshape(-1), strict=True):
        assert (ids[length:] == model.pad_id).all()
        assert not np.isin(ids[:length], [model.pad_id, model.bos_id]).any()
        assert (ids[:length] == model.eos_id).nonzero()[0].tolist() == [length - 1] * bool(length)
    assert (np.diff(found.scores[np.isfinite(found.scores).all(axis=1)]) <= 0).all()


def test_places_without_hypothesis_are_empty(table_model):
    found = searcher(table_model(6), 4)([[5, 3]], [1])
    assert found.lengths.tolist() == [[1, 0, 0, 0]]
    assert (found.log_probs[0, 1:] == -np.inf).all() and (found.scores[0, 1:] == -np.inf).all()


def test_padding_rows_of_the_vocabulary_are_never_chosen(table_model):
    model = table_model(5, seed=1)  # 123 rows of padding, and only 3 legal pieces for a beam of 8
    found = searcher(model, 8)(SOURCES, [6] * 4, 0.0)
    assert found.ids.max() < 5 and np.isfinite(found.log_probs).all()


def test_length_penalty_is_that_of_wu_et_al():
    lengths = np.array([1, 7, 25])
    np.testing.assert_allclose(
        search.length_penalty(lengths, 0.6), (5 + lengths) ** 0.6 / 6**0.6, rtol=1e-6
    )
    np.testing.assert_array_equal(search.length_penalty(lengths, 0.0), 1)


def test_expand_takes_the_best_of_the_continuations_of_live_hypotheses():
    rng = np.random.default_rng(0)
    of_pieces = -np.sort(-rng.normal(size=(2, 3, 3)).astype(np.float32))
    pieces = rng.integers(0, 50, size=(2, 3, 3))
    log_probs = np.array([[-1.0, -2.0, -np.inf], [-0.5, -np.inf, -np.inf]], np.float32)
    candidates = search.expand(log_probs, Continuations(pieces, of_pieces))
    totals = (log_probs[..., None] + of_pieces).reshape(2, -1)
    best = np.argsort(-totals)[:, :3]
    np.testing.assert_array_equal(candidates.parents, best // 3)
    np.testing.assert_array_equal(candidates.pieces, pieces.reshape(2, -1)[[[0], [1]], best])
    np.testing.assert_allclose(candidates.log_probs, np.take_along_axis(totals, best, 1), rtol=1e-5)
