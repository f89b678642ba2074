import random

import numpy as np
import pytest

from nmt.analysis.by_length import FEWEST, scores_by_length
from nmt.analysis.length_bands import bleu_bands
from nmt.analysis.scores import measures
from nmt.analysis.significance import SEED
from nmt.errors import DataError

TEXT = "the cat sees a small dog in the old house and it sleeps near that red door ."
WORDS = TEXT.split()
OPTIONS = {"target_language": "en", "tokenized": True}
draw = random.Random(7)
REFERENCES = [" ".join(draw.choices(WORDS, k=draw.randrange(5, 30))) for _ in range(80)]
LENGTHS = [len(line.split()) for line in REFERENCES]
EDGES = (4, 12, 28)  # nothing in the first, too few in the last


def system(wrong):
    return [
        " ".join("Fish" if draw.random() < wrong else word for word in line.split())
        for line in REFERENCES
    ]


GOOD, BAD = system(0.1), system(0.5)


@pytest.mark.parametrize("name", ["bleu", "bleu_tokenized_lowercase"])
def test_bands_are_those_of_buckets_drawn_and_scored_one_by_one(name):
    num_samples, lowercase = 40, name != "bleu"
    bands = bleu_bands(
        LENGTHS,
        [BAD, GOOD],
        REFERENCES,
        EDGES,
        tokenized_lowercase=lowercase,
        num_samples=num_samples,
        **OPTIONS,
    )
    measure = {m.name: m for m in measures("en", tokenized=True)}[name]
    edges = [-1, *EDGES, 1000]
    for place, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        rows = [row for row, length in enumerate(LENGTHS) if low < length <= high]
        if len(rows) < FEWEST:
            assert bands[0][place] is bands[1][place] is None
            continue
        chosen = np.random.default_rng(SEED).choice(len(rows), (num_samples, len(rows)))
        for hypotheses, of_system in zip((BAD, GOOD), bands, strict=True):
            drawn = np.sort(
                [
                    measure.of_prepared(
                        [hypotheses[rows[i]] for i in sample],
                        [REFERENCES[rows[i]] for i in sample],
                    )
                    for sample in chosen
                ]
            )
            assert of_system[place].mean == pytest.approx(drawn.mean(), rel=1e-5)
            # 95 % of 40 samples: without the lowest and the highest
            assert of_system[place].interval == pytest.approx((drawn[-2] - drawn[1]) / 2, rel=1e-4)
        assert bands[0][place].p_value is None and bands[1][place].p_value < 0.05
    assert [band is None for band in bands[0]] == [True, False, False, True]


def test_a_bucket_has_a_band_from_the_fewest_sentences_on():
    lengths = [1] * (FEWEST - 1) + [9] * FEWEST
    lines = REFERENCES[: len(lengths)]
    (bands,) = bleu_bands(lengths, [lines], lines, (5,), num_samples=10, **OPTIONS)
    buckets = scores_by_length(lengths, lines, lines, (5,), **OPTIONS)
    assert [bucket.is_small for bucket in buckets] == [band is None for band in bands]
    assert [band is None for band in bands] == [True, False]


def test_the_score_in_the_band_is_that_of_the_bucket():
    (bands,) = bleu_bands(LENGTHS, [GOOD], REFERENCES, EDGES, num_samples=10, **OPTIONS)
    buckets = scores_by_length(LENGTHS, GOOD, REFERENCES, EDGES, **OPTIONS)
    for band, bucket in zip(bands, buckets, strict=True):
        assert band is None or band.score == pytest.approx(bucket.bleu)


def test_what_cannot_be_resampled_is_refused():
    with pytest.raises(DataError, match="there are no systems"):
        bleu_bands(LENGTHS, [], REFERENCES, **OPTIONS)
    with pytest.raises(DataError, match="got 79 lengths and 80 hypotheses"):
        bleu_bands(LENGTHS[1:], [GOOD], REFERENCES, **OPTIONS)
    with pytest.raises(DataError, match="must rise"):
        bleu_bands(LENGTHS, [GOOD], REFERENCES, (5, 5), **OPTIONS)
    with pytest.raises(DataError, match="too much to draw"):
        bleu_bands(LENGTHS, [GOOD], REFERENCES, num_samples=10**6, **OPTIONS)
