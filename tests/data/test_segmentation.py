"""Draws against the distributions that the papers define, computed by brute force."""

import itertools
import math
from collections import Counter
from random import Random

import pytest

from nmt.data.segmentation import BytePairs, Unigram

NUM_DRAWS = 20_000
LOG_PROBS = {"a": -2.0, "b": -2.5, "c": -1.5, "ab": -2.2, "bc": -4.0, "abc": -5.0, "ca": -3.0}
PRIORITIES = {"ab": -1.0, "bc": 0.0, "abc": -3.0, "aa": -2.0, "bca": -4.0}


def check_frequencies(drawn: list[list[str]], expected: dict[tuple[str, ...], float]):
    counts = Counter(map(tuple, drawn))
    assert set(counts) <= set(expected) and sum(expected.values()) == pytest.approx(1)
    for pieces, p in expected.items():
        assert abs(counts[pieces] / len(drawn) - p) < 5 * math.sqrt(p * (1 - p) / len(drawn)) + 1e-9


def cuts(word):
    """Every way to cut a word, 2 ** (length - 1) of them."""
    for marks in itertools.product([False, True], repeat=len(word) - 1):
        places = [0, *(i + 1 for i, mark in enumerate(marks) if mark), len(word)]
        yield tuple(word[a:b] for a, b in itertools.pairwise(places))


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
def test_unigram_draws_have_their_smoothed_probability(alpha):
    word = "abcab"
    ways = [cut for cut in cuts(word) if all(piece in LOG_PROBS for piece in cut)]
    weights = {cut: math.exp(alpha * sum(LOG_PROBS[piece] for piece in cut)) for cut in ways}
    expected = {cut: weight / sum(weights.values()) for cut, weight in weights.items()}
    model, random = Unigram(LOG_PROBS), Random(1).random
    check_frequencies([model.draw(word, alpha, random) for _ in range(NUM_DRAWS)], expected)
    assert len(ways) > 5


def test_unigram_words_may_be_long_or_unknown():
    model = Unigram(LOG_PROBS)
    pieces = model.draw("abc" * 500, 0.2, Random(0).random)  # its probability is no float
    assert "".join(pieces) == "abc" * 500 and set(pieces) <= set(LOG_PROBS)
    assert model.draw("?!", 0.2, Random(0).random) == ["?", "!"]
    assert model.draw("", 0.2, Random(0).random) == []
    assert Unigram({}).draw("ab", 0.2, Random(0).random) == ["a", "b"]


def dropout_outcomes(pieces, dropout):
    """The end of algorithm 1 with its probability: all subsets of the merges, before each."""
    merges = [
        (-PRIORITIES[a + b], i)
        for i, (a, b) in enumerate(itertools.pairwise(pieces))
        if a + b in PRIORITIES
    ]
    outcomes = Counter()
    for dropped in itertools.product([False, True], repeat=len(merges)):
        p = math.prod(dropout if drop else 1 - dropout for drop in dropped)
        left = [merge for merge, drop in zip(merges, dropped, strict=True) if not drop]
        if not left:
            outcomes[pieces] += p
            continue
        _, i = min(left)
        merged = (*pieces[:i], pieces[i] + pieces[i + 1], *pieces[i + 2 :])
        for end, q in dropout_outcomes(merged, dropout).items():
            outcomes[end] += p * q
    return outcomes


@pytest.mark.parametrize("dropout", [0.1, 0.4])
def test_bpe_dropout_follows_its_algorithm(dropout):
    expected = dropout_outcomes(tuple("aabcab"), dropout)
    model, random = BytePairs(PRIORITIES, list), Random(2).random
    drawn = [model.draw("aabcab", dropout, random) for _ in range(NUM_DRAWS)]
    check_frequencies(drawn, expected)
    assert len(expected) > 5


def test_bpe_without_dropout_and_with_nothing_else():
    model = BytePairs(PRIORITIES, list)
    assert model.draw("aabc", 0.0, Random(0).random) == ["aa", "bc"]
    assert model.draw("aabc", 1.0, Random(0).random) == list("aabc")
    assert model.draw("", 0.5, Random(0).random) == []
