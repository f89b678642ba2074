import numpy as np
import pytest

from nmt.config.schema import EmbeddedConfig, VocabularyConfig
from nmt.data.batching import FILLER, Batches, EvaluationBatches
from nmt.data.encoding import EncodedPairs, encode_pairs
from nmt.data.grammar import make_split
from nmt.data.piece_links import PieceLinks, words_of_pieces
from nmt.data.ragged import Ragged, RaggedWriter
from nmt.data.sampling import SubwordSampler
from nmt.data.sentencepiece_training import train_model
from nmt.data.sentencepiece_vocabulary import SentencePieceVocabulary
from nmt.data.shapes import Shape, choose_shapes
from nmt.data.vocabulary import SpecialPieces, Vocabularies
from nmt.errors import DataError

PAD, BOS, EOS = 0, 2, 3
SPECIAL = SpecialPieces(PAD, BOS, EOS)


def random_pairs(num_pairs=150, longest=12, seed=0) -> EncodedPairs:
    rng = np.random.default_rng(seed)

    def side():
        lengths = rng.integers(0, longest, num_pairs)
        return Ragged.from_arrays([np.append(rng.integers(4, 99, n), EOS) for n in lengths])

    return EncodedPairs(side(), side())


def make(pairs, *, data_seed=0, model_seed=1, kept=None, num_shapes=4, batch_sentences=None):
    shapes = choose_shapes(
        pairs.source.lengths,
        pairs.target.lengths,
        num_shapes=num_shapes,
        batch_pieces=100,
        batch_sentences=batch_sentences,
        row_multiple=4,
    )
    return Batches(pairs, shapes, SPECIAL, data_seed=data_seed, model_seed=model_seed, kept=kept)


def pad(ids, length):
    return ids + [PAD] * (length - len(ids))


def check_batch(batch, pairs, indices, shape):
    """A batch against its pairs, row by row."""
    assert batch.source.shape == batch.source_mask.shape == (shape.rows, shape.source)
    assert batch.target_in.shape == batch.target_out.shape == (shape.rows, shape.target)
    assert {array.dtype for array in batch[:5]} == {np.dtype(np.int32), np.dtype(bool)}
    assert batch.links is None
    for row, index in enumerate(indices):
        source = [EOS] if index == FILLER else pairs.source[index].tolist()
        target = [] if index == FILLER else pairs.target[index].tolist()
        assert batch.source[row].tolist() == pad(source, shape.source)
        assert batch.source_mask[row].tolist() == [p < len(source) for p in range(shape.source)]
        assert batch.target_out[row].tolist() == pad(target, shape.target)
        assert batch.target_mask[row].tolist() == [p < len(target) for p in range(shape.target)]
        assert batch.target_in[row].tolist() == pad([BOS, *target[:-1]], shape.target)


@pytest.mark.parametrize("batch_sentences", [None, 7])
def test_batches_hold_their_pairs(batch_sentences):
    pairs = random_pairs()
    batches = make(pairs, batch_sentences=batch_sentences)
    fillers = 0
    for index in range(batches.num_batches):
        shape, indices = batches.shape_of(index), batches.indices(index)
        check_batch(batches.batch(index), pairs, indices, shape)
        assert shape.rows == batch_sentences or shape.rows % 4 == 0
        assert indices[0] != FILLER
        fillers += (indices == FILLER).sum()
    assert fillers  # or this test has not seen any


def test_an_epoch_has_every_pair_once():
    pairs = random_pairs()
    batches = make(pairs)
    orders, shapes = [], []
    for epoch in range(3):
        first = epoch * batches.num_batches
        indices = [batches.indices(first + i) for i in range(batches.num_batches)]
        assert batches.epoch_of(first) == batches.epoch_of(first + len(indices) - 1) == epoch
        order = [i for i in np.concatenate(indices).tolist() if i != FILLER]
        assert sorted(order) == list(range(len(pairs)))
        orders.append(order)
        shapes.append(tuple(batches.shape_of(first + i) for i in range(batches.num_batches)))
    assert len(set(map(tuple, orders))) == len(set(shapes)) == 3


def test_pairs_stand_together_by_a_chance_of_each_shape_and_epoch():
    """Other pairs meet in every epoch, and those of a shape not as their like of another one."""
    of_shape, rows = 40, 4
    ids = [[EOS]] * of_shape + [[5, EOS]] * of_shape
    side = Ragged.from_arrays([np.array(sentence) for sentence in ids])
    shapes = [Shape(rows, 1, 1), Shape(rows, 2, 2)]
    batches = Batches(EncodedPairs(side, side), shapes, SPECIAL, data_seed=0, model_seed=1)

    def groups(epoch, shape):
        """The places, among the pairs of a shape, of those that share a batch."""
        indices = range(epoch * batches.num_batches, (epoch + 1) * batches.num_batches)
        return frozenset(
            frozenset((batches.indices(index) % of_shape).tolist())
            for index in indices
            if batches.shape_of(index) == shape
        )

    found = [groups(epoch, shape) for epoch in (0, 1) for shape in shapes]
    assert {len(all_of_shape) for all_of_shape in found} == {of_shape // rows}
    assert len(set(found)) == 4


def test_kept_pairs_alone_take_part():
    pairs = random_pairs()
    kept = np.flatnonzero(pairs.source.lengths <= 5)
    batches = make(pairs, kept=kept)
    indices = np.concatenate([batches.indices(i) for i in range(batches.num_batches)])
    assert sorted(indices[indices != FILLER]) == kept.tolist()
    with pytest.raises(DataError, match="no training pairs are left"):
        make(pairs, kept=kept[:0])


def test_a_batch_depends_on_its_index_alone():
    pairs = random_pairs()
    batches, again = make(pairs), make(pairs)
    in_order = [batches.batch(i) for i in range(5 * batches.num_batches)]
    for index in np.random.default_rng(0).permutation(len(in_order)):
        for a, b in zip(in_order[index], again.batch(int(index)), strict=True):
            np.testing.assert_array_equal(a, b)


def test_shapes_are_told_in_the_order_in_which_they_are_needed():
    batches = make(random_pairs(400))
    for index in (0, 3, batches.num_batches - 1, batches.num_batches):
        needed = [batches.shape_of(index + i) for i in range(2 * batches.num_batches)]
        assert batches.shapes_from(index) == list(dict.fromkeys(needed))
        assert set(batches.shapes_from(index)) == set(batches.shapes)


def test_what_the_seeds_change():
    pairs = random_pairs(400)
    base, other_model, other_data = make(pairs), make(pairs, model_seed=2), make(pairs, data_seed=5)
    steps = range(2 * base.num_batches)

    def shapes(batches):
        return [batches.shape_of(i) for i in steps]

    def sentences(batches):
        return [tuple(batches.indices(i)) for i in steps]

    assert shapes(base) == shapes(other_model) != shapes(other_data)
    assert sentences(base) != sentences(other_model)
    assert sorted(shapes(base)) == sorted(shapes(other_data))
    assert shapes(base)[: base.num_batches] != shapes(base)[base.num_batches :]
    assert set(sentences(base)).isdisjoint(sentences(other_data))


def test_fill_is_the_share_of_real_positions():
    pairs = random_pairs()
    batches = make(pairs)
    real, padded = np.zeros(2), np.zeros(2)
    for index in range(batches.num_batches):
        batch, filler = batches.batch(index), batches.indices(index) == FILLER
        real += (batch.source_mask & ~filler[:, None]).sum(), batch.target_mask.sum()
        padded += batch.source.size, batch.target_out.size
    np.testing.assert_allclose(batches.fill, real / padded)


def test_pairs_in_files_give_the_batches_of_pairs_in_memory(tmp_path):
    made = random_pairs(5000, 20)
    for name, side in (("source", made.source), ("target", made.target)):
        with RaggedWriter(tmp_path, name, np.int32) as writer:
            writer.append(side)
    of_files, in_memory = (
        Batches(pairs, [Shape(256, 20, 20)], SPECIAL, data_seed=0, model_seed=0)
        for pairs in (EncodedPairs.load(tmp_path), made)
    )
    for index in range(0, 40, 7):  # of two epochs
        for found, expected in zip(of_files.batch(index), in_memory.batch(index), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("num_pairs", [0, 1, 150])
def test_evaluation_sees_every_pair_once(num_pairs):
    pairs = random_pairs(num_pairs)
    batches = EvaluationBatches(pairs, SPECIAL, num_shapes=3, batch_pieces=100)
    assert len(batches.shapes) <= 3
    seen = []
    for batch, indices in batches:
        shape = Shape(len(batch.source), batch.source.shape[1], batch.target_out.shape[1])
        assert shape in batches.shapes
        check_batch(batch, pairs, indices, shape)
        seen += [i for i in indices.tolist() if i != FILLER]
    assert sorted(seen) == list(range(num_pairs))
    assert len(list(batches)) == len(batches)  # it can be read again


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_links_follow_their_pairs_into_batches(alpha):
    """Each linked pair of pieces belongs to a linked pair of words, and each of those has one."""
    split = make_split("train", EmbeddedConfig(num_train=30, max_words=8))
    sources, targets = [pair.source for pair in split], [pair.target for pair in split]
    both = SentencePieceVocabulary(train_model(sources + targets, VocabularyConfig(size=120)))
    vocabularies = Vocabularies(both, both)
    pairs = encode_pairs(sources, targets, vocabularies)
    sampler = alpha and SubwordSampler(pairs, sources, targets, vocabularies, alpha=alpha)
    links = Ragged.from_arrays([np.array(pair.sure, np.int32).reshape(-1) for pair in split])
    lengths = sampler.lengths if sampler else (pairs.source.lengths, pairs.target.lengths)
    shapes = choose_shapes(
        *lengths, num_shapes=2, batch_pieces=100, batch_sentences=None, row_multiple=4
    )
    batches = Batches(
        pairs,
        shapes,
        both.special,
        data_seed=0,
        model_seed=1,
        sampler=sampler or None,
        piece_links=PieceLinks(links, vocabularies),
    )
    seen = set()
    for index in range(batches.num_batches):
        batch = batches.batch(index)
        assert batch.links.shape == (*batch.target_out.shape, batch.source.shape[1])
        for row, pair in enumerate(batches.indices(index)):
            if pair == FILLER:
                assert not batch.links[row].any()
                continue
            words = [words_of_pieces(side[row], both) for side in (batch.source, batch.target_out)]
            found = {(int(words[0][s]), int(words[1][t])) for t, s in np.argwhere(batch.links[row])}
            assert found == set(split[pair].sure)
            seen.add(pair)
    assert seen == set(range(len(split)))


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_with_another_seed_batches_are_those_of_its_own(alpha):
    """The shapes in turn stay; the sentences in them, and their pieces, are the other model's."""
    split = make_split("train", EmbeddedConfig(num_train=40, max_words=8))
    sources, targets = [pair.source for pair in split], [pair.target for pair in split]
    both = SentencePieceVocabulary(train_model(sources + targets, VocabularyConfig(size=120)))
    vocabularies = Vocabularies(both, both)
    pairs = encode_pairs(sources, targets, vocabularies)
    sampler = SubwordSampler(pairs, sources, targets, vocabularies, alpha=alpha) if alpha else None
    lengths = sampler.lengths if sampler else (pairs.source.lengths, pairs.target.lengths)
    shapes = choose_shapes(
        *lengths, num_shapes=2, batch_pieces=100, batch_sentences=None, row_multiple=4
    )
    first, second = (
        Batches(pairs, shapes, both.special, data_seed=0, model_seed=seed, sampler=sampler)
        for seed in (1, 2)
    )
    assert first.batch(0)  # what is remembered of one seed is not taken for the other
    other, differ = first.with_seed(2), False
    for index in range(2 * first.num_batches):
        assert first.shape_of(index) == other.shape_of(index)
        for ours, theirs in zip(other.batch(index), second.batch(index), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        differ |= not np.array_equal(first.batch(index).source, other.batch(index).source)
    assert differ
