import json
import random

import pytest

from nmt.analysis.by_length import DEFAULT_EDGES, FEWEST, scores_by_length
from nmt.analysis.scores import score
from nmt.errors import DataError

TEXT = "the cat sees a small dog in the old house and it sleeps ."
WORDS = TEXT.split()
OF_BUCKETS = ("bleu", "bleu_tokenized_lowercase", "chrf")


def corpus(num_sentences=40):
    """Lengths, and hypotheses that have some of the references' words."""
    draw = random.Random(3)
    lengths = [draw.randrange(30) for _ in range(num_sentences)]
    references = [" ".join(draw.choices(WORDS, k=length)) for length in lengths]
    hypotheses = [
        " ".join(word if draw.random() < 0.7 else "Fish!" for word in line.split())
        for line in references
    ]
    return lengths, hypotheses, references


@pytest.mark.parametrize("tokenized", [False, True])
@pytest.mark.parametrize("edges", [(10, 20), (4,), (1, 2, 3, 29)])
def test_the_scores_of_a_bucket_are_those_of_its_sentences(edges, tokenized):
    lengths, hypotheses, references = corpus()
    options = {"target_language": "en", "tokenized": tokenized}
    buckets = scores_by_length(lengths, hypotheses, references, edges, **options)
    assert len(buckets) == len(edges) + 1
    assert sum(bucket.count for bucket in buckets) == len(lengths)
    for bucket in buckets:
        upper = 10**9 if bucket.upper is None else bucket.upper
        rows = [row for row, length in enumerate(lengths) if bucket.lower <= length <= upper]
        assert bucket.count == len(rows)
        if rows:
            subset = ([side[row] for row in rows] for side in (hypotheses, references))
            expected = score(*subset, **options)
            for name in OF_BUCKETS:
                assert getattr(bucket, name) == getattr(expected, name)


def test_the_buckets_of_edges():
    lengths = [2, 3, 5, 0]
    buckets = scores_by_length(
        lengths, ["a"] * 4, ["a"] * 4, (2, 3, 4), target_language="en", tokenized=True
    )
    assert [(b.lower, b.upper, b.count) for b in buckets] == [
        (0, 2, 2),
        (3, 3, 1),
        (4, 4, 0),
        (5, None, 1),
    ]
    assert [b.label for b in buckets] == ["0-2", "3-3", "4-4", "5+"]


def test_an_empty_bucket_has_no_scores_and_few_sentences_are_few():
    lengths = [5] * (FEWEST - 1) + [15] * FEWEST
    texts = ["a b c d"] * len(lengths)
    buckets = scores_by_length(lengths, texts, texts, target_language="en", tokenized=False)
    assert len(buckets) == len(DEFAULT_EDGES) + 1
    assert [bucket.is_small for bucket in buckets] == [True, False, True, True, True, True]
    for bucket in buckets:
        for name in OF_BUCKETS:
            expected = pytest.approx(100) if bucket.count else None
            assert getattr(bucket, name) == expected
    shown = json.loads(json.dumps(buckets[-1].to_dict()))
    assert shown["upper"] is None and shown["chrf"] is None and shown["count"] == 0


@pytest.mark.parametrize("edges", [(20, 10), (10, 10), (-3, 5)])
def test_edges_must_rise(edges):
    with pytest.raises(DataError, match="must rise"):
        scores_by_length([1], ["a"], ["a"], edges, target_language="en", tokenized=False)


def test_as_many_lengths_as_hypotheses():
    with pytest.raises(DataError, match="got 1 lengths and 2 hypotheses"):
        scores_by_length([1], ["a"] * 2, ["a"] * 2, target_language="en", tokenized=False)
    with pytest.raises(DataError, match="nothing to score"):
        scores_by_length([], [], [], target_language="en", tokenized=False)
