"""Forced decoding in batches against each pair alone, through the model itself."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.decoding import scoring
from nmt.decoding.scoring import PairScore, forced_batches, score_ids
from nmt.devices.mesh import make_mesh, on_all
from nmt.models.build import merge_model
from nmt.models.seq2seq import log_probs_from_features

NAMES = ["recurrent", "without attention", "transformer"]
LENGTHS = [(5, 9), (17, 3), (5, 9), (1, 1), (17, 3), (5, 9)]  # EOS counted


@pytest.fixture
def mesh():
    return make_mesh()


@pytest.fixture(scope="module")
def pairs(vocabularies):
    """Encoded pairs, EOS at the end."""
    rng = np.random.default_rng(0)

    def draw(length):
        return np.array([*rng.integers(4, 50, length - 1), vocabularies.source.eos_id], np.int32)

    return [draw(length) for length, _ in LENGTHS], [draw(length) for _, length in LENGTHS]


def alone(model, source, target, special):
    """The log_prob of one pair, without padding."""
    target_in = jnp.array([special.bos_id, *target[:-1]])[None]
    decoded = model(source[None], np.ones((1, len(source)), bool), target_in)
    log_probs = log_probs_from_features(decoded.features, model.projection())[0]
    picked = log_probs[jnp.arange(len(target)), target]
    return picked.sum()


@pytest.mark.parametrize(
    ("name", "shape"), [*((name, (1, 1)) for name in NAMES), ("recurrent", (2, 2))]
)
def test_scores_are_those_of_each_pair_alone(models, vocabularies, pairs, name, shape):
    mesh = make_mesh(shape[1], jax.devices()[: shape[0] * shape[1]])
    graph, params = models[name]
    model = graph, on_all(mesh, params)
    special = vocabularies.target.special
    done = []
    scores = score_ids(*model, *pairs, special, mesh=mesh, batch_sentences=2, on_batch=done.extend)
    assert sorted(done) == list(range(len(LENGTHS)))
    of_pair = jax.jit(partial(alone, merge_model(*models[name]), special=special))
    expected = [of_pair(*pair) for pair in zip(*pairs, strict=True)]
    for score, target, log_prob in zip(scores, pairs[1], expected, strict=True):
        np.testing.assert_allclose(score.log_prob, log_prob, rtol=1e-4)
        assert score.num_pieces == len(target)


def test_nothing_is_scored_where_nothing_is_given(models, vocabularies, mesh):
    assert score_ids(*models["recurrent"], [], [], vocabularies.target.special, mesh=mesh) == []


def test_an_empty_translation_has_the_probability_of_its_end(models, vocabularies, mesh):
    special = vocabularies.target.special
    source, target = np.array([7, 8, special.eos_id]), np.array([special.eos_id])
    (score,) = score_ids(*models["recurrent"], [source], [target], special, mesh=mesh)
    expected = alone(merge_model(*models["recurrent"]), source, target, special)
    assert score == PairScore(pytest.approx(float(expected), rel=1e-4), 1)


def test_batches_shift_targets_and_mask_filler(vocabularies, pairs):
    special = vocabularies.target.special
    seen = []
    for batch in forced_batches(*pairs, special, 2, 2):
        assert len({array.shape[0] for array in jax.tree.leaves(batch[1:])}) == 1
        assert batch.source_mask.any(axis=1).all()
        for row, i in enumerate(batch.indices):
            target = pairs[1][i]
            assert batch.target_out[row, : len(target)].tolist() == target.tolist()
            assert batch.target_in[row, : len(target)].tolist() == [special.bos_id, *target[:-1]]
            assert batch.target_mask[row].sum() == len(target)
        assert not batch.target_mask[len(batch.indices) :].any()
        seen += batch.indices
    assert sorted(seen) == list(range(6))


def test_long_pairs_are_fewer_to_a_batch(vocabularies, monkeypatch):
    monkeypatch.setattr(scoring, "MAX_CELLS", 3 * 24 * 24)
    special, rng = vocabularies.target.special, np.random.default_rng(0)
    lengths = [(4, 5), (16, 24), (13, 20), (2, 3), (12, 17), (15, 22), (14, 19), (30, 40), (3, 40)]
    sources, targets = (
        [np.append(rng.integers(4, 30, n - 1), special.eos_id) for n in side]
        for side in zip(*lengths, strict=True)
    )
    seen = []
    for batch in forced_batches(sources, targets, special, 4, 2):
        rows, length = batch.source.shape
        most = scoring.MAX_CELLS // max(length, batch.target_in.shape[1]) ** 2
        assert rows == 2 * min(4, max(1, most))  # on each of two devices, four at most
        seen += batch.indices
        for row, i in enumerate(batch.indices):
            assert batch.source[row, : len(sources[i])].tolist() == sources[i].tolist()
    assert sorted(seen) == list(range(9))
