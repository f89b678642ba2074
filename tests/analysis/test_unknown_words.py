"""Unknown words against loops, and the sentences without any scored like a corpus of their own."""

import numpy as np
import pytest

from nmt.analysis.scores import score
from nmt.analysis.unknown_words import UnknownCounts, score_without_unknown
from nmt.errors import DataError

OPTIONS = {"target_language": "en", "tokenized": False}
HYPOTHESES = ["the cat sees a dog .", "a UNK .", "the old house", "it sleeps"]
REFERENCES = ["the cat sees the dog .", "a zebra .", "an old house", "it sleeps now"]
COUNTS = UnknownCounts(
    np.array([[0, 6], [1, 3], [0, 3], [2, 2]]), np.array([[0, 6], [1, 3], [0, 3], [0, 3]])
)


def test_the_shares_are_of_all_words():
    summary = COUNTS.summary
    assert (summary.source, summary.target) == (3 / 14, 1 / 15)
    assert summary.sentences_without == 2
    nothing = UnknownCounts(*(np.zeros((1, 2), int) for _ in range(2))).summary
    assert nothing.to_dict() == {"source": 0.0, "target": 0.0, "sentences_without": 1}


def test_the_sentences_without_unknown_words_are_scored_alone():
    expected = score(*([side[0], side[2]] for side in (HYPOTHESES, REFERENCES)), **OPTIONS)
    assert score_without_unknown(COUNTS, HYPOTHESES, REFERENCES, **OPTIONS) == expected
    none = UnknownCounts(np.ones((4, 2), int), np.ones((4, 2), int))
    assert score_without_unknown(none, HYPOTHESES, REFERENCES, **OPTIONS) is None
    with pytest.raises(DataError, match="got 4 for 1 hypotheses"):
        score_without_unknown(COUNTS, ["a"], ["a"], **OPTIONS)
