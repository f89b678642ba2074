"""Translations of a line from those of its parts."""

import pytest

from nmt.config.schema import DataConfig
from nmt.decoding.search import length_penalty
from nmt.decoding.translation import PartHypothesis, join_parts, joiner_of


def part(text, log_prob, num_pieces, length_norm):
    score = float(log_prob / length_penalty(num_pieces, length_norm))
    return PartHypothesis(text, score, log_prob, num_pieces, None)


@pytest.mark.parametrize(
    "language, tokenized, expected",
    [("zh", False, "ab"), ("zh_Hans", True, "a b"), ("th", False, "ab"), ("de", False, "a b")],
)
def test_parts_have_a_space_between_them_where_the_language_has_spaces(
    language, tokenized, expected
):
    data = DataConfig(path="corpus", target_language=language, tokenized=tokenized)
    of_parts = [[part("a", -1.0, 2, 0.6)], [part("", -0.5, 1, 0.6)], [part("b", -1.0, 2, 0.6)]]
    assert join_parts("a line", of_parts, 0.6, None, joiner=joiner_of(data)).text == expected


@pytest.mark.parametrize("length_norm", [0.0, 0.6])
def test_hypotheses_of_a_line_are_best_first_by_their_own_scores(length_norm):
    """With length normalisation a long first part may win alone, and lose with the second."""
    of_parts = [
        [part("A", -10.0, 20, length_norm), part("B", -5.1, 3, length_norm)],
        [part("c", -1.0, 100, length_norm), part("d", -1.01, 100, length_norm)],
    ]
    joined = join_parts("a line", of_parts, length_norm, None)
    scores = [hypothesis.score for hypothesis in joined.hypotheses]
    assert scores == sorted(scores, reverse=True)
    assert (joined.text, joined.score) == (joined.hypotheses[0].text, scores[0])
    assert {hypothesis.text for hypothesis in joined.hypotheses} == {"A c", "B d"}
    of_best = length_penalty(103, length_norm)
    assert joined.text == "B d" and joined.score == pytest.approx(float(-6.11 / of_best))
