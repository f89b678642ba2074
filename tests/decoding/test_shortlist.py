"""Shortlists: model 1 against loops over dictionaries, lists and batches, and the run's file."""

import contextlib
from collections import Counter, defaultdict

import numpy as np
import pytest

from nmt.config.schema import Config, DataConfig
from nmt.data.encoding import EncodedPairs, write_encoded
from nmt.data.ragged import Ragged
from nmt.data.splits import Split
from nmt.data.vocabulary import SpecialPieces
from nmt.decoding import shortlist
from nmt.decoding.shortlist import ITERATIONS, Lexicon, load_lexicon, make_lexicon
from nmt.errors import DataError, RunError
from nmt.runs.directory import RunDirectory

SPECIAL = SpecialPieces(pad_id=0, bos_id=2, eos_id=3)
SOURCES = [[5, 6, 3], [5, 7, 7, 3], [6, 8, 3], [3]]
TARGETS = [[9, 4, 3], [9, 11, 3], [4, 10, 10, 3], [9, 3]]
SOURCE_SIZE, TARGET_SIZE = 10, 12


def encoded(sources, targets):
    return EncodedPairs(
        *(Ragged.from_arrays([np.array(ids) for ids in side]) for side in (sources, targets))
    )


def slow_model_1():
    """{(s, t): p(t | s)} by Brown et al. (1993), equations 14 to 17."""
    probabilities = {
        (s, t): 1.0
        for source, target in zip(SOURCES, TARGETS, strict=True)
        for s in source
        for t in target
    }
    for _ in range(ITERATIONS):
        counts, totals = defaultdict(float), Counter()
        for source, target in zip(SOURCES, TARGETS, strict=True):
            for t in target:
                whole = sum(probabilities[s, t] for s in source)
                for s in source:
                    counts[s, t] += probabilities[s, t] / whole
                    totals[s] += probabilities[s, t] / whole
        probabilities = {(s, t): count / totals[s] for (s, t), count in counts.items()}
    return probabilities


@pytest.fixture(scope="module")
def lexicon():
    return make_lexicon(encoded(SOURCES, TARGETS), SOURCE_SIZE, TARGET_SIZE)


def test_probabilities_are_those_of_model_1(lexicon):
    expected = slow_model_1()
    for s in range(SOURCE_SIZE):
        of_source = {t: p for (other, t), p in expected.items() if other == s}
        shown = lexicon.probabilities[s]
        assert (np.diff(shown) <= 0).all() and (shown[len(of_source) :] == 0).all()
        found = dict(zip(lexicon.likely[s], shown[: len(of_source)], strict=False))
        assert found == pytest.approx(of_source, rel=1e-5)
    assert lexicon.frequent[:3].tolist() == [3, 9, 4]


def test_of_many_pairs_an_evenly_spaced_part_is_looked_at(monkeypatch):
    monkeypatch.setattr(shortlist, "MAX_LINKS", 25)  # of 35 in the four pairs
    every_other = make_lexicon(encoded(SOURCES[::2], TARGETS[::2]), SOURCE_SIZE, TARGET_SIZE)
    ours = make_lexicon(encoded(SOURCES, TARGETS), SOURCE_SIZE, TARGET_SIZE)
    for mine, expected in zip(ours, every_other, strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_the_frequent_are_the_same_for_all_and_eos_is_one_of_them(lexicon):
    """By falling frequency 3, 9, 4, 10, 11, and the others by their numbers; 0 and 2 are never."""
    order = [3, 9, 4, 10, 11, 1, 5, 6, 7, 8]
    assert lexicon.frequent.tolist() == [3, 9, 4, 10, 11, 0, 1, 2, 5, 6, 7, 8]
    for size in range(1, 10):
        assert lexicon.frequent_of(size, SPECIAL).tolist() == order[:size]
    assert lexicon.frequent_of(99, SPECIAL).tolist() == order
    rare_eos = lexicon._replace(frequent=lexicon.frequent[::-1])
    assert rare_eos.frequent_of(3, SPECIAL).tolist() == [3, 8, 7]


@pytest.mark.parametrize("length", [1, 4, 5])
def test_the_likely_are_those_of_the_greatest_sums(length):
    rng = np.random.default_rng(length)
    likely = rng.permuted(np.tile(np.arange(4, 304, dtype=np.int32), (50, 1)), axis=1)[:, :100]
    probabilities = -np.sort(-rng.random((50, 100)).astype(np.float32), axis=1)
    of = Lexicon(likely, probabilities, rng.permutation(np.arange(304, dtype=np.int32)))
    source = rng.integers(0, 50, length)
    frequent = of.frequent_of(40, SPECIAL)
    sums = Counter()
    for s in source:
        for t, p in zip(likely[s], probabilities[s], strict=True):
            if t not in frequent:
                sums[t] += p
    best = [t for t, _ in sums.most_common((length + 1) // 2)]
    assert of.likely_of(source, frequent).tolist() == best


def test_what_no_piece_of_the_source_is_linked_to_is_not_likely(lexicon):
    """Source piece 8 is linked to 3, 4 and 10."""
    source = np.array([8] * 9)
    assert set(lexicon.likely_of(source, np.array([3]))) == {4, 10}
    assert not len(lexicon.likely_of(source, np.array([3, 4, 10])))


def test_a_batch_is_the_union_of_its_lists_and_mates_change_no_list(lexicon):
    sources = [np.array(ids) for ids in SOURCES[:3]]
    together = lexicon.batch(sources, (4, 8), 2, SPECIAL)
    for row, source in enumerate(sources):
        own = together.pieces[together.allowed[row]]
        frequent = lexicon.frequent_of(2, SPECIAL)
        assert own.tolist() == sorted([*frequent, *lexicon.likely_of(source, frequent)])
        alone = lexicon.batch([source], (1, 4), 2, SPECIAL)
        np.testing.assert_array_equal(own, alone.pieces[alone.allowed[0]])
    assert together.pieces[together.allowed[3]].tolist() == [SPECIAL.eos_id]
    listed = together.allowed.any(axis=0)
    assert listed.tolist() == (together.pieces != SPECIAL.pad_id).tolist()


@pytest.mark.parametrize(
    "shape, size, columns",
    [((64, 16), 2000, 2528), ((64, 17), 2000, 2592), ((1, 16), 100, 160), ((64, 16), 7900, 8032)],
)
def test_the_shape_of_a_batch_says_how_many_pieces_its_programs_take(shape, size, columns):
    """2000 + 64 * 8 = 2512, 2000 + 64 * 9 = 2576, 100 + 8, all 8000, in odd multiples of 32."""
    rng = np.random.default_rng(0)
    likely = rng.integers(4, 8000, (50, 100)).astype(np.int32)
    of = Lexicon(likely, np.ones((50, 100), np.float32), np.arange(8000, dtype=np.int32))
    for number in (1, shape[0]):
        sources = [rng.integers(0, 50, shape[1]) for _ in range(number)]
        batch = of.batch(sources, shape, size, SPECIAL)
        assert batch.pieces.shape == (columns,) and batch.allowed.shape == (shape[0], columns)


@pytest.fixture()
def run(tmp_path, vocabularies):
    run = RunDirectory.create(tmp_path / "run", Config(data=DataConfig(path="embedded")))
    lines = ["the cat", "a red dog sees the house", "the old tree"]
    write_encoded(run.data / "train", Split("train", lines, lines), vocabularies)
    return run


def test_a_run_keeps_its_lexicon(run, vocabularies):
    size = len(vocabularies.source)
    made = load_lexicon(run, size, size)
    written = run.lexicon_file.read_bytes()
    for first, again in zip(made, load_lexicon(run, size, size), strict=True):
        np.testing.assert_array_equal(first, again)
    run.lexicon_file.write_bytes(written[:100])
    with pytest.raises(RunError, match=r"lexicon\.npz is damaged: delete it"):
        load_lexicon(run, size, size)
    for place in (4, 6, 10, 30, 40, len(written) - 10, len(written) - 16):  # of zip's own headers
        flipped = bytearray(written)
        for bit in range(8):
            flipped[place] = written[place] ^ 1 << bit
            run.lexicon_file.write_bytes(flipped)
            with contextlib.suppress(RunError):  # some of it nobody reads
                load_lexicon(run, size, size)
    run.lexicon_file.write_bytes(written)
    with pytest.raises(RunError, match=r"lexicon\.npz does not fit the run"):
        load_lexicon(run, size, size + 1)


def test_a_lexicon_that_cannot_be_kept_serves_all_the_same(run, vocabularies, caplog):
    """As of a run that others share, and may only read."""
    size = len(vocabularies.source)
    run.lexicon_file = run.path / "absent" / "lexicon.npz"
    made = load_lexicon(run, size, size)
    assert "the lexicon of shortlists is not kept: cannot write" in caplog.text
    run.lexicon_file = run.path / "lexicon.npz"
    for first, again in zip(made, load_lexicon(run, size, size), strict=True):
        np.testing.assert_array_equal(first, again)


def test_a_run_without_training_pairs_says_so(tmp_path):
    run = RunDirectory.create(tmp_path / "run", Config(data=DataConfig(path="embedded")))
    with pytest.raises(DataError, match=r"search\.shortlist is made of training pairs"):
        load_lexicon(run, 8, 8)
