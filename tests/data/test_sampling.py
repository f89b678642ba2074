"""Subword sampling: pure in the index, true to the text, and absent where it is off."""

import hashlib
import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from nmt.config.schema import EmbeddedConfig, VocabularyConfig
from nmt.data.batching import FILLER, Batches, choose_shapes
from nmt.data.encoding import EncodedPairs, encode_pairs
from nmt.data.grammar import make_split
from nmt.data.ragged import Ragged
from nmt.data.sampling import SubwordSampler
from nmt.data.shapes import Shape
from nmt.data.vocabularies import train_vocabularies
from nmt.data.vocabulary import Vocabularies

PAIRS = make_split("train", EmbeddedConfig(num_train=200, max_words=12))
SOURCE, TARGET = [pair.source for pair in PAIRS], [pair.target for pair in PAIRS]
ALPHA = {"bpe": 0.1, "unigram": 0.2}


def make_batches(kind, folder, *, sampling=True, model_seed=1):
    vocabularies = train_vocabularies(SOURCE, TARGET, VocabularyConfig(kind=kind, size=300), folder)
    pairs = encode_pairs(SOURCE, TARGET, vocabularies)
    sampler = SubwordSampler(pairs, SOURCE, TARGET, vocabularies, alpha=ALPHA[kind])
    shapes = choose_shapes(
        *sampler.lengths,
        num_shapes=3,
        batch_pieces=500,
        batch_sentences=None,
        row_multiple=4,
    )
    return Batches(
        pairs,
        shapes,
        vocabularies.target.special,
        data_seed=0,
        model_seed=model_seed,
        sampler=sampler if sampling else None,
    )


@pytest.fixture(params=["bpe", "unigram"])
def kind(request):
    return request.param


@pytest.fixture
def batches(kind, tmp_path):
    return make_batches(kind, tmp_path)


def digest(batch) -> str:
    arrays = (array for array in batch if array is not None)  # there are no links here
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def real_rows(batches, index):
    """For each real row of a batch: its pair, its source ids and its target ids."""
    batch = batches.batch(index)
    for row, pair in enumerate(batches.indices(index).tolist()):
        if pair != FILLER:
            source = batch.source[row][batch.source_mask[row]]
            yield pair, source.tolist(), batch.target_out[row][batch.target_mask[row]].tolist()


def test_pairs_that_are_too_long_are_not_drawn(kind, tmp_path, monkeypatch):
    """A draw of one word takes the square of its length."""
    vocabularies = train_vocabularies(
        SOURCE, TARGET, VocabularyConfig(kind=kind, size=300), tmp_path
    )
    source, target = [*SOURCE, "ab" * 50_000, "the"], [*TARGET, "la", "ba" * 50_000]
    drawn = []
    real = type(vocabularies.source).encode_sampled

    def encode_sampled(self, texts, seed, alpha):
        drawn.extend(texts)
        return real(self, texts, seed, alpha)

    monkeypatch.setattr(type(vocabularies.source), "encode_sampled", encode_sampled)
    pairs = encode_pairs(source, target, vocabularies)
    options = {"alpha": ALPHA[kind], "max_pieces": 50}
    sampler = SubwordSampler(pairs, source, target, vocabularies, **options)
    assert max(map(len, drawn)) < 1000 and {"the", "la"} <= set(drawn)
    assert sampler.lengths[0][-2] == pairs.source.lengths[-2] > 50  # as long as ever


def test_a_batch_depends_on_its_index_alone(batches, kind, tmp_path):
    """Whatever was asked for before, as on resuming, and in whichever thread."""
    steps = range(3 * batches.num_batches)
    in_order = [digest(batches.batch(i)) for i in steps]
    assert digest(make_batches(kind, tmp_path / "again").batch(5)) == in_order[5]
    shuffled = np.random.default_rng(0).permutation(len(steps)).tolist()
    with ThreadPoolExecutor(4) as threads:
        beside = list(threads.map(lambda i: digest(batches.batch(i)), shuffled))
    assert beside == [in_order[i] for i in shuffled]


def test_another_process_makes_the_same_batch(batches, kind, tmp_path):
    program = (
        "from pathlib import Path; from test_sampling import digest, make_batches;"
        f"print(digest(make_batches({kind!r}, Path({str(tmp_path / 'other')!r})).batch(3)))"
    )
    root, here = Path(__file__).parents[2], Path(__file__).parent
    out = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path[:0] = [{str(root)!r}, {str(here)!r}]; {program}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == digest(batches.batch(3))


def test_the_text_and_the_frame_stay(batches):
    eos = batches.special.eos_id
    plain = Batches(batches.pairs, batches.shapes, batches.special, data_seed=0, model_seed=1)
    vocabularies = batches.sampler.vocabularies
    for index in range(batches.num_batches):
        batch, filler = batches.batch(index), batches.indices(index) == FILLER
        assert batch.source.shape == batch.source_mask.shape == batches.shape_of(index)[:2]
        assert not batch.target_mask[filler].any() and (batch.source_mask[filler].sum(1) == 1).all()
        assert (batch.source[filler, 0] == eos).all()
        shifted = np.where(batch.target_mask[:, 1:], batch.target_out[:, :-1], 0)
        np.testing.assert_array_equal(batch.target_in[:, 1:], shifted)
        for pair, source, target in real_rows(batches, index):
            assert source[-1] == target[-1] == eos
            assert vocabularies.source.decode(source) == SOURCE[pair]
            assert vocabularies.target.decode(target) == TARGET[pair]
    dtypes = [{a.dtype for a in b.batch(0) if a is not None} for b in (batches, plain)]
    assert dtypes[0] == dtypes[1]


def test_every_epoch_and_seed_cuts_anew(batches, kind, tmp_path):
    def cut(batches, epoch):
        first = epoch * batches.num_batches
        rows = (row for i in range(batches.num_batches) for row in real_rows(batches, first + i))
        return {pair: (source, target) for pair, source, target in rows}

    other = make_batches(kind, tmp_path, model_seed=2)
    epochs = [*(cut(batches, epoch) for epoch in range(3)), cut(other, 0)]
    for a, b in itertools.combinations(range(4), 2):
        same = sum(epochs[a][pair] == epochs[b][pair] for pair in range(len(SOURCE)))
        assert same < len(SOURCE) / 2
    equal_texts = batches.sampler.vocabularies.source.encode_sampled(["sixteen"] * 50, 1, 0.2)
    assert len({tuple(ids) for ids in equal_texts}) > 1  # within a batch, too


def test_a_text_is_cut_by_a_chance_of_each_batch_and_of_both_seeds(batches):
    """All pairs have the same text, so nothing else tells two batches from one another."""
    vocabularies, rows = batches.sampler.vocabularies, 8
    source, target = ([max(texts, key=len)] * 2 * rows for texts in (SOURCE, TARGET))
    pairs = encode_pairs(source, target, vocabularies)
    sampler = SubwordSampler(pairs, source, target, vocabularies, alpha=0.2)
    shapes = [Shape(rows, 300, 300)]
    drawn = set()
    for model_seed, data_seed in product((1, 2), repeat=2):
        seeds = {"model_seed": model_seed, "data_seed": data_seed}
        made = Batches(pairs, shapes, batches.special, sampler=sampler, **seeds)
        assert made.num_batches == 2
        drawn.update(made.batch(index).source.tobytes() for index in range(4))  # of two epochs
    assert len(drawn) == 4 * 4


def test_the_sides_are_cut_apart_from_one_another(batches):
    """A text that is its own translation is not cut twice in the same way."""
    vocabulary = batches.sampler.vocabularies.source
    vocabularies = Vocabularies(vocabulary, vocabulary)
    pairs = encode_pairs(SOURCE, SOURCE, vocabularies)
    sampler = SubwordSampler(pairs, SOURCE, SOURCE, vocabularies, alpha=0.2)
    drawn = sampler.sample(np.arange(len(SOURCE)), Shape(200, 999, 999), (1, 2))
    same = sum(a.tolist() == b.tolist() for a, b in zip(drawn.source, drawn.target, strict=True))
    assert same < len(SOURCE) / 2


def test_a_draw_that_does_not_fit_is_canonical(batches):
    sampler, indices = batches.sampler, np.arange(len(SOURCE))
    roomy = sampler.sample(indices, Shape(200, 999, 999), (1, 2))
    limit = Shape(200, *(int(np.median(side.lengths)) for side in (roomy.source, roomy.target)))
    tight = sampler.sample(indices, limit, (1, 2))
    sides = [
        (roomy.source, tight.source, batches.pairs.source, limit.source),
        (roomy.target, tight.target, batches.pairs.target, limit.target),
    ]
    for free, held, canonical, length in sides:
        assert (free.lengths > length).any() and (free.lengths <= length).any()
        for i in indices:
            expected = free[i] if len(free[i]) <= length else canonical[i]
            np.testing.assert_array_equal(held[i], expected)


def test_shapes_have_room_for_most_draws(batches):
    sampler, pairs = batches.sampler, batches.pairs
    drawn = sampler.sample(np.arange(len(SOURCE)), Shape(200, 999, 999), (7,))
    for planned, free, canonical in zip(
        sampler.lengths,
        (drawn.source, drawn.target),
        (pairs.source, pairs.target),
        strict=True,
    ):
        assert (planned >= canonical.lengths).all()
        assert np.mean(free.lengths <= planned) > 0.6
    bound = SubwordSampler(pairs, SOURCE, TARGET, sampler.vocabularies, alpha=0.2, max_pieces=12)
    for planned, side in zip(bound.lengths, (pairs.source, pairs.target), strict=True):
        assert (planned <= np.maximum(side.lengths, 12)).all() and (planned >= side.lengths).all()


def test_the_room_for_draws_counts_their_end():
    """Every word is drawn as two pieces in place of one: 2 n + 1 positions, not 2 n."""

    class Doubling:
        eos_id = 3

        def encode_sampled(self, texts, seed, alpha):
            return [np.full(2 * len(text.split()), 5, np.int32) for text in texts]

    texts = ["the red house"] * 10
    side = Ragged.from_arrays([np.array([4, 4, 4, Doubling.eos_id], np.int32) for _ in texts])
    pairs, vocabularies = EncodedPairs(side, side), Vocabularies(Doubling(), Doubling())
    sampler = SubwordSampler(pairs, texts, texts, vocabularies, alpha=0.2)
    shape = Shape(10, *(lengths.max() for lengths in sampler.lengths))
    drawn = sampler.sample(np.arange(10), shape, (1,))
    for planned, side in zip(sampler.lengths, (drawn.source, drawn.target), strict=True):
        np.testing.assert_array_equal(side.lengths, 2 * 3 + 1)
        np.testing.assert_array_equal(planned, 2 * 3 + 1)


def test_without_a_sampler_pieces_are_canonical(kind, tmp_path):
    batches = make_batches(kind, tmp_path, sampling=False)
    for index in range(batches.num_batches):
        for pair, source, target in real_rows(batches, index):
            assert source == batches.pairs.source[pair].tolist()
            assert target == batches.pairs.target[pair].tolist()


def test_alpha_moves_the_share_of_canonical_cuts(batches, kind):
    vocabulary = batches.sampler.vocabularies.source
    canonical = [ids.tolist() for ids in vocabulary.encode_batch(SOURCE)]

    def share(alpha):
        drawn = vocabulary.encode_sampled(SOURCE, 1, alpha)
        return np.mean([a.tolist() == b for a, b in zip(drawn, canonical, strict=True)])

    shares = [share(alpha) for alpha in (0.01, 0.1, 1.0)]
    assert shares == sorted(shares, reverse=kind == "bpe")  # p ** alpha; chance of dropping
    assert max(shares) - min(shares) > 0.5


def test_odd_texts(batches):
    vocabulary = batches.sampler.vocabularies.source
    texts = ["", " ", "\u2581", "a\u2581car", "she 漢字 car", "\ttree\n\u3000dog"]
    for seed in range(20):
        for text, ids in zip(texts, vocabulary.encode_sampled(texts, seed, 0.2), strict=True):
            assert ids.dtype == np.int32
            assert vocabulary.decode(ids) == vocabulary.decode(vocabulary.encode(text))
    assert vocabulary.encode_sampled([], 0, 0.2) == []
