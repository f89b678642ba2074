import logging
import random

import numpy as np
import pytest
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest

from nmt.analysis import significance
from nmt.analysis.scores import measures, score
from nmt.analysis.significance import SEED, paired_bootstrap
from nmt.errors import DataError

TEXT = "the cat sees a small dog in the old house and it sleeps near that red door ."
WORDS = TEXT.split()
SCORES = ["bleu", "chrf", "ter", "bleu_tokenized_lowercase"]
OPTIONS = {"target_language": "en", "tokenized": True}
draw = random.Random(5)
REFERENCES = [" ".join(draw.choices(WORDS, k=draw.randrange(4, 15))) for _ in range(60)]


def system(wrong, seed):
    """Translations with so large a part of their words wrong."""
    draw = random.Random(seed)
    return [
        " ".join("Fish" if draw.random() < wrong else word for word in line.split())
        for line in REFERENCES
    ]


GOOD, AS_GOOD, BAD = system(0.1, seed=1), system(0.1, seed=2), system(0.5, seed=3)


@pytest.mark.parametrize("tokenized", [False, True])
def test_the_bootstrap_is_that_of_whole_test_sets_drawn_and_scored_one_by_one(tokenized):
    num_samples = 40
    found = paired_bootstrap(
        [GOOD, AS_GOOD],
        REFERENCES,
        target_language="en",
        tokenized=tokenized,
        num_samples=num_samples,
    )
    size = len(REFERENCES)
    samples = np.random.default_rng(SEED).choice(size, size=(num_samples, size), replace=True)
    for measure in measures("en", tokenized=tokenized):
        references = measure.prepared(REFERENCES)
        drawn = []  # the score of each system on each sample
        for hypotheses in map(measure.prepared, (GOOD, AS_GOOD)):
            drawn.append(
                [
                    measure.of_prepared(
                        [hypotheses[i] for i in rows], [references[i] for i in rows]
                    )
                    for rows in samples
                ]
            )
        results = [of_system[measure.name] for of_system in found.systems]
        for result, of_samples in zip(results, np.sort(drawn), strict=True):
            assert result.mean == pytest.approx(of_samples.mean(), rel=1e-5)
            # 95 % of 40 samples: without the lowest and the highest
            width = of_samples[-2] - of_samples[1]
            assert result.interval == pytest.approx(width / 2, rel=1e-4)
        differences = np.abs(np.subtract(*drawn))
        as_large = differences - differences.mean() > abs(results[0].score - results[1].score)
        expected = (as_large.sum() + 1) / (num_samples + 1)
        assert results[0].p_value is None and results[1].p_value == pytest.approx(expected)


def test_a_clearly_better_system_is_significant_and_an_equally_good_one_is_not():
    found = paired_bootstrap([BAD, GOOD, AS_GOOD], REFERENCES, **OPTIONS, num_samples=200)
    for name in SCORES:
        assert found.systems[1][name].p_value < 0.01 > found.systems[2][name].p_value
    found = paired_bootstrap([GOOD, AS_GOOD], REFERENCES, **OPTIONS, num_samples=200)
    assert all(found.systems[1][name].p_value > 0.05 for name in SCORES)


def test_a_system_does_not_differ_from_itself():
    """sacreBLEU's own p would be the smallest that there is."""
    lower = [line.lower() for line in GOOD]
    found = paired_bootstrap([GOOD, list(GOOD), lower], REFERENCES, **OPTIONS, num_samples=100)
    for name in SCORES:
        assert found.systems[1][name].p_value == 1
        assert found.systems[1][name].interval == found.systems[0][name].interval
    assert found.systems[2]["bleu_tokenized_lowercase"].p_value == 1
    assert found.systems[0]["bleu_tokenized_lowercase"].p_value is None


def test_the_order_of_systems_changes_nothing_but_the_baseline():
    forward = paired_bootstrap([GOOD, AS_GOOD, BAD], REFERENCES, **OPTIONS, num_samples=50)
    backward = paired_bootstrap([BAD, AS_GOOD, GOOD], REFERENCES, **OPTIONS, num_samples=50)
    assert forward.signatures == backward.signatures
    for here, there in zip(forward.systems, reversed(backward.systems), strict=True):
        for name in SCORES:
            for field in ("score", "mean", "interval"):
                assert getattr(here[name], field) == getattr(there[name], field)
    for name in SCORES:  # two-sided: the last against the first is the first against the last
        assert forward.systems[2][name].p_value == backward.systems[2][name].p_value


def test_scores_and_signatures_are_those_of_the_systems_alone():
    found = paired_bootstrap(
        [GOOD, BAD], REFERENCES, target_language="en", tokenized=False, num_samples=20
    )
    for hypotheses, results in zip((GOOD, BAD), found.systems, strict=True):
        alone = score(hypotheses, REFERENCES, target_language="en", tokenized=False)
        assert list(results) == list(found.signatures) == SCORES
        for name in SCORES:
            assert results[name].score == getattr(alone, name)
            plain = getattr(alone, f"{name}_signature")
            drawn = plain.replace("nrefs:1|", f"nrefs:1|bs:20|seed:{SEED}|")
            assert found.signatures[name] == drawn


@pytest.mark.parametrize("seed", [None, "none", "7", "0", "not a number"])
def test_the_seed_is_fixed_whatever_the_environment_says(monkeypatch, seed):
    expected = paired_bootstrap([GOOD, AS_GOOD], REFERENCES, **OPTIONS, num_samples=20)
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    if seed is not None:
        monkeypatch.setenv("SACREBLEU_SEED", seed)
    before = dict(significance.os.environ)
    found = paired_bootstrap([GOOD, AS_GOOD], REFERENCES, **OPTIONS, num_samples=20)
    assert found == expected and dict(significance.os.environ) == before


def test_the_seed_is_that_of_sacrebleu_where_nothing_is_said(monkeypatch):
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    systems = [("0", GOOD), ("1", BAD)]
    metrics = {"BLEU": BLEU(tokenize="none")}
    own = PairedTest(systems, metrics, [REFERENCES], test_type="bs", n_samples=20)
    (signature,) = own()[0].values()
    found = paired_bootstrap([GOOD, BAD], REFERENCES, **OPTIONS, num_samples=20)
    assert "|seed:12345|" in str(signature) and "|seed:12345|" in found.signatures["bleu"]


def test_it_says_nothing(capfd, caplog):
    with caplog.at_level(logging.WARNING):
        spaced = [f"{line} ." for line in REFERENCES * 2]  # looks tokenised, in over 100 lines
        paired_bootstrap([spaced, spaced], spaced, **OPTIONS, num_samples=2)
    assert not caplog.records and capfd.readouterr() == ("", "")


def test_one_system_has_an_interval_and_no_p():
    (only,) = paired_bootstrap([GOOD], REFERENCES, **OPTIONS, num_samples=20).systems
    assert only["bleu"].p_value is None and only["bleu"].interval > 0


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(DataError, match="got 59 hypotheses and 60 references"):
        paired_bootstrap([GOOD, GOOD[1:]], REFERENCES, **OPTIONS)
    with pytest.raises(DataError, match="there are no systems"):
        paired_bootstrap([], REFERENCES, **OPTIONS)
    with pytest.raises(DataError, match="nothing to score"):
        paired_bootstrap([[], []], [], **OPTIONS)
    with pytest.raises(DataError, match="wanted at most 833333 samples"):
        paired_bootstrap([GOOD, BAD], REFERENCES, **OPTIONS, num_samples=10**6)
