"""Translations of a line from those of its parts."""

import itertools

import numpy as np
import pytest

from nmt.analysis.alignment import Alignment, HeadAlignments
from nmt.analysis.links import Units
from nmt.config.schema import DataConfig
from nmt.decoding.translation import (
    PartHypothesis,
    best_of_parts,
    join_parts,
    joiner_of,
    samples_of_parts,
)


def part(text, score=-1.0):
    return PartHypothesis(text, score, 2 * score, None)


@pytest.mark.parametrize(
    "language, tokenized, expected",
    [("zh", False, "ab"), ("zh_Hans", True, "a b"), ("th", False, "ab"), ("de", False, "a b")],
)
def test_parts_have_a_space_between_them_where_the_language_has_spaces(
    language, tokenized, expected
):
    data = DataConfig(path="corpus", target_language=language, tokenized=tokenized)
    whole = (part("a"), part(""), part("b"))
    assert join_parts("a line", [whole], [], Units(), joiner=joiner_of(data)).text == expected


def test_a_line_has_the_sums_of_its_parts_and_an_empty_one_nothing():
    wholes = [(part("a", -1.0), part("b", -0.25)), (part("c", -2.0), part("b", -0.25))]
    joined = join_parts("a line", wholes, [], Units())
    found = [(h.text, h.score, h.log_prob) for h in joined.hypotheses]
    assert found == [("a b", -1.25, -2.5), ("c b", -2.25, -4.5)]
    assert (joined.text, joined.score, joined.log_prob) == found[0]
    for wholes in (best_of_parts([], 3), samples_of_parts([], 0)):
        empty = join_parts("", wholes, [], Units())
        assert [(h.text, h.score, h.log_prob) for h in empty.hypotheses] == [("", 0, 0)]


@pytest.mark.parametrize("num_hypotheses", [1, 4, 9, 100])
def test_the_best_of_all_ways_to_join_parts(num_hypotheses):
    rng = np.random.default_rng(0)
    parts = [
        [part(f"{i}{k}", score) for k, score in enumerate(sorted(-rng.random(size))[::-1])]
        for i, size in enumerate((3, 1, 4, 2))
    ]
    found = best_of_parts(parts, num_hypotheses)
    every = sorted(itertools.product(*parts), key=lambda whole: -sum(one.score for one in whole))
    assert found == every[:num_hypotheses]
    assert found[0] == tuple(of_part[0] for of_part in parts)


def test_samples_of_parts_meet_by_chance():
    parts = [[part("A", -1.0), part("B", -5.0)], [part("c", -1.0), part("d", -2.0)]]
    best_meet = 0
    for seed in range(400):
        found = samples_of_parts(parts, seed)
        assert found == samples_of_parts(parts, seed)
        for k, of_part in enumerate(parts):  # each is taken once
            assert sorted(whole[k] for whole in found) == sorted(of_part)
        scores = [sum(one.score for one in whole) for whole in found]
        assert scores == sorted(scores, reverse=True)
        best_meet += found[0] == (parts[0][0], parts[1][0])
    assert 150 < best_meet < 250  # five standard deviations
    assert samples_of_parts(parts[:1], 0) == [(one,) for one in parts[0]]


def aligned(text, rng):
    """A part of three source words, aligned with the words of its translation by two heads."""
    words = text.split()
    rows = rng.random((1, 2, len(words), 4))
    rows /= rows.sum(axis=-1, keepdims=True)
    heads = HeadAlignments(rows[..., :-1], rows[..., -1])
    matrix, eos = rows[0].mean(axis=0)[:, :-1], rows[0].mean(axis=0)[:, -1]
    return PartHypothesis(text, -1.0, -1.0, Alignment(["a", "b", "c"], words, matrix, eos, heads))


@pytest.mark.parametrize("unit", ["word", "piece"])
def test_a_word_that_two_parts_make_is_one_row(unit):
    """Where nothing goes between parts, the last word of one and the first of the next are one."""
    rng, source = np.random.default_rng(0), ["a", "b", "c"] * 3
    whole = tuple(aligned(text, rng) for text in ("你 好。", "再见。", "您 们"))
    joined = join_parts("a line", [whole], source, Units("word", unit), joiner="")
    spaced = join_parts("a line", [whole], source, Units("word", unit), joiner=" ")
    parts, found = spaced.alignment, joined.alignment
    if unit == "piece":
        assert found.target_words == parts.target_words == ["你", "好。", "再见。", "您", "们"]
        return
    assert found.target_words == joined.text.split() == ["你", "好。再见。您", "们"]
    for whole_rows, rows in (
        (found.matrix, parts.matrix),
        (found.eos[:, None], parts.eos[:, None]),
        *zip(found.heads.matrices[0], parts.heads.matrices[0], strict=True),
        *zip(found.heads.eos[0][..., None], parts.heads.eos[0][..., None], strict=True),
    ):
        expected = [rows[0], (rows[1] + rows[2] + rows[3]) / 3, rows[4]]
        np.testing.assert_allclose(whole_rows, expected, rtol=1e-12)
    np.testing.assert_allclose(found.matrix.sum(axis=1) + found.eos, 1)
