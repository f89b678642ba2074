"""Shortlists: model 1 against loops over dictionaries, lists and batches, and the run's file."""

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


def test_a_list_has_the_frequent_and_the_likely_and_eos():
    rng = np.random.default_rng(0)
    likely = rng.permuted(np.tile(np.arange(4, 304, dtype=np.int32), (50, 1)), axis=1)[:, :100]
    probabilities = -np.sort(-rng.random((50, 100)).astype(np.float32), axis=1)
    frequent = rng.permutation(np.arange(304, dtype=np.int32))
    of = Lexicon(likely, probabilities, frequent)
    source = np.array([7, 30, 30, 3])
    pieces = of.list_of(source, 40, SPECIAL)
    scores = Counter()
    for s in source:
        for t, p in zip(likely[s], probabilities[s], strict=True):
            scores[t] += p
    always = {*frequent[:10].tolist(), SPECIAL.eos_id} - {SPECIAL.bos_id, SPECIAL.pad_id}
    rest = [t for t, _ in scores.most_common() if t not in always][: 40 - len(always)]
    assert pieces.tolist() == sorted(always | set(rest))


def test_the_rest_of_a_list_are_the_next_most_frequent(lexicon):
    """Of 12 pieces: EOS, what source piece 8 is linked to, then 9, 11 and so on."""
    source = np.array([8])
    linked = {3, 4, 10}
    assert set(lexicon.list_of(source, 3, SPECIAL)) == linked
    order = [t for t in lexicon.frequent if t not in {*linked, SPECIAL.bos_id, SPECIAL.pad_id}]
    assert order[0] == 9
    for more in range(1, len(order) + 1):
        pieces = lexicon.list_of(source, 3 + more, SPECIAL)
        assert pieces.tolist() == sorted(linked | set(order[:more]))
    np.testing.assert_array_equal(lexicon.list_of(source, 99, SPECIAL), pieces)  # there are no more


def test_a_batch_is_the_union_of_its_lists_and_mates_change_no_list(lexicon):
    sources = [np.array(ids) for ids in SOURCES[:3]]
    together = lexicon.batch(sources, 4, 5, SPECIAL)
    assert together.allowed.shape == (4, 512) and together.pieces.shape == (512,)
    for row, source in enumerate(sources):
        own = together.pieces[together.allowed[row]]
        np.testing.assert_array_equal(own, lexicon.list_of(source, 5, SPECIAL))
        alone = lexicon.batch([source], 1, 5, SPECIAL)
        np.testing.assert_array_equal(own, alone.pieces[alone.allowed[0]])
    assert together.pieces[together.allowed[3]].tolist() == [SPECIAL.eos_id]


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
    run.lexicon_file.write_bytes(written)
    with pytest.raises(RunError, match=r"lexicon\.npz does not fit the run"):
        load_lexicon(run, size, size + 1)


def test_a_run_without_training_pairs_says_so(tmp_path):
    run = RunDirectory.create(tmp_path / "run", Config(data=DataConfig(path="embedded")))
    with pytest.raises(DataError, match=r"search\.shortlist is made of training pairs"):
        load_lexicon(run, 8, 8)
