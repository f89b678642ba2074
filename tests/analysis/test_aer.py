"""The alignment error rate, against cell-by-cell counting and published figures."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from nmt.analysis.aer import alignment_scores
from nmt.analysis.pharaoh import GoldLinks, parse_gold, parse_links
from nmt.analysis.symmetrize import symmetrize
from nmt.errors import DataError

PUBLISHED = Path(__file__).parents[2] / ".." / "shared" / "corpora" / "gold-alignments"
PAIRS = ["de-en", "en-fr", "ro-en"]
needs_corpora = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the gold corpora are not here")


def random_cells(rng, shape, share):
    return rng.random(shape) < share


def links_of(cells):
    return [tuple(map(int, cell)) for cell in np.argwhere(cells)]


@pytest.mark.parametrize("seed", range(5))
def test_scores_match_matrices(seed):
    """All sentences in one matrix of 0 and 1, block by block."""
    rng = np.random.default_rng(seed)
    shapes = rng.integers(1, 9, (6, 2))
    found = [random_cells(rng, shape, 0.4) for shape in shapes]
    sure = [random_cells(rng, shape, 0.3) for shape in shapes]
    possible = [s | random_cells(rng, s.shape, 0.2) for s in sure]
    A, S, P = (np.concatenate([m.ravel() for m in cells]) for cells in (found, sure, possible))

    gold = [
        GoldLinks(frozenset(links_of(s)), frozenset(links_of(p)))
        for s, p in zip(sure, possible, strict=True)
    ]
    scores = alignment_scores([links_of(cells) * 2 for cells in found], gold)
    np.testing.assert_allclose(scores.precision, (A & P).sum() / A.sum())
    np.testing.assert_allclose(scores.recall, (A & S).sum() / S.sum())
    wrong = 1 - ((A & S).sum() + (A & P).sum()) / (A.sum() + S.sum())
    np.testing.assert_allclose(scores.aer, wrong)
    counts = scores.num_links, scores.num_sure, scores.num_possible, scores.sentences
    assert counts == (A.sum(), S.sum(), P.sum(), 6)


def test_with_sure_links_alone_it_is_one_minus_f1():
    rng = np.random.default_rng(0)
    found, sure = (links_of(random_cells(rng, (9, 9), 0.3)) for _ in range(2))
    scores = alignment_scores([found], [GoldLinks(frozenset(sure), frozenset())])
    harmonic = 2 / (1 / scores.precision + 1 / scores.recall)
    np.testing.assert_allclose(scores.aer, 1 - harmonic)


def test_the_ends_of_the_scale():
    gold = GoldLinks(frozenset({(0, 0)}), frozenset({(1, 1)}))
    none = GoldLinks(frozenset(), frozenset())

    def fractions(links, gold):
        scores = alignment_scores([links], [gold])
        return scores.aer, scores.precision, scores.recall

    assert fractions([(0, 0)], gold) == fractions([(0, 0), (1, 1)], gold) == (0, 1, 1)
    assert fractions([(5, 5)], gold) == (1, 0, 0)
    assert fractions([], gold) == (1, 1, 0)
    assert fractions([], none) == (0, 1, 1)
    assert fractions([(0, 0)], none) == (1, 0, 1)


def test_scores_as_an_object_and_as_a_line():
    gold = [GoldLinks(frozenset({(0, 0), (1, 1)}), frozenset())]
    scores = alignment_scores([[(0, 0), (0, 1)]], gold)
    assert scores.to_dict() == {
        **{"aer": 0.5, "precision": 0.5, "recall": 0.5},
        **{"num_links": 2, "num_sure": 2, "num_possible": 2, "sentences": 1},
    }
    assert str(scores).startswith("AER 50.00%, precision 50.00%, recall 50.00% (2 links ")


def test_one_sentence_is_no_sentences():
    (gold,) = [parse_gold("0-0", "x")]
    assert str(alignment_scores([[(0, 0)]], [gold])).endswith("in 1 sentence)")
    assert str(alignment_scores([[(0, 0)], []], [gold] * 2)).endswith("in 2 sentences)")


def test_sentences_must_match():
    with pytest.raises(DataError, match="links of 2 sentences and gold links of 1"):
        alignment_scores([[], []], [GoldLinks(frozenset(), frozenset())])


# ---- published alignments


def read(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def published_links(pair, aligner, kind):
    name = ".".join(filter(None, ("baseline", aligner, kind, "talp.gz")))
    lines = read(PUBLISHED / pair / name)
    return [parse_links(line, name, reverse=kind == "reverse") for line in lines]


def published_gold(pair):
    return [parse_gold(line, pair, base=1) for line in read(PUBLISHED / pair / "test.talp.gz")]


def published_aer(pair, aligner, kind):
    """In per cent, from the part of the file that is about the aligner."""
    _, *parts = re.split(
        "^# ", "\n".join(read(PUBLISHED / pair / "baseline.aer.txt.gz")), flags=re.M
    )
    (part,) = [part for part in parts if part.startswith(aligner)]
    name = ".".join(filter(None, ("test", pair.replace("-", ""), kind, "talp")))
    return float(re.search(rf"^{re.escape(name)}: ([0-9.]+)%", part, flags=re.M)[1])


@needs_corpora
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("aligner", ["fastalign", "giza"])
@pytest.mark.parametrize("kind", ["", "reverse", "grow-diagonal", "grow-diagonal-final"])
def test_published_alignments_score_as_published(pair, aligner, kind):
    scores = alignment_scores(published_links(pair, aligner, kind), published_gold(pair))
    assert abs(100 * scores.aer - published_aer(pair, aligner, kind)) <= 0.1


@needs_corpora
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("aligner", ["fastalign", "giza"])
@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ("grow-diagonal-strict", "grow-diagonal"),
        ("grow-diagonal-final-strict", "grow-diagonal-final"),
        ("intersection", "intersection"),
        ("union", "union"),
    ],
)
def test_published_directions_symmetrise_to_what_was_published(pair, aligner, rule, kind):
    directions = (published_links(pair, aligner, kind) for kind in ("", "reverse"))
    links = [symmetrize(*both, rule) for both in zip(*directions, strict=True)]
    scores = alignment_scores(links, published_gold(pair))
    assert abs(100 * scores.aer - published_aer(pair, aligner, kind)) <= 0.25
