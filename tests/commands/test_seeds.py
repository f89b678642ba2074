"""--seed: which model of a run of several seeds, or all of them as one, or their mean."""

import json

import numpy as np
import pytest

import nmt
from nmt.decoding.translator import Translator
from nmt.models.ensemble import split_ensemble
from tests.tiny_runs import CONFIG, LINES, make_run

pytest_plugins = ["tests.command_calls"]
SCORES = ("bleu", "chrf", "ter", "bleu_tokenized_lowercase")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run of seed 6 alone."""
    config = CONFIG.replace("training: {", "training: {seed: 6, ")
    return make_run(tmp_path_factory.mktemp("runs") / "six", config)


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("".join(line + "\n" for line in LINES))
    return path


def test_a_model_by_its_seed_is_that_of_the_run_alone(call, trained_with_seeds, alone, lines):
    two = trained_with_seeds
    expected = call("translate", alone, lines)
    assert call("translate", two, lines, "--seed", 6) == expected
    assert call("translate", alone, lines, "--seed", 6) == expected
    first = call("translate", two, lines)
    assert first == call("translate", two, lines, "--seed", 5) != expected
    pairs = ["--source", lines, "--target", lines]
    scored = call("score", two, *pairs, "--seed", 6)
    assert scored == call("score", alone, *pairs) != call("score", two, *pairs)


def test_translations_of_an_ensemble(call, trained_with_seeds, lines):
    several = trained_with_seeds
    ensemble = nmt.load(several, seed="ensemble")
    texts = [t.text for t in ensemble.translate(LINES)]
    assert call("translate", several, lines, "--seed", "ensemble").splitlines() == texts

    five, six = (nmt.load(several, seed=seed) for seed in (5, 6))
    graph, params = split_ensemble(five.graph, [five.params, six.params])
    made_here = Translator(graph, params, five.vocabularies, five.search)
    pairs = (["the cat sleeps .", "a small dog ."], ["le chat dort .", "un petit chien ."])
    scores = ensemble.log_probs(*pairs)
    assert scores == pytest.approx(made_here.log_probs(*pairs), rel=1e-5)
    for one in (five, six):
        assert scores != pytest.approx(one.log_probs(*pairs), rel=1e-3)


@pytest.fixture(scope="module")
def evaluations(trained_with_seeds, tmp_path_factory):
    """Copied, as scores are kept in the run."""
    import shutil

    return shutil.copytree(trained_with_seeds, tmp_path_factory.mktemp("copies") / "two_seeds")


def test_evaluate_gives_each_seed_their_mean_and_spread(call, evaluate, evaluations, alone):
    shown = evaluate(evaluations, "--split", "test", "--no-unknown")
    assert list(shown["seeds"]) == ["5", "6"] and shown["sentences"] == 12
    assert shown["unknown"]["sentences_without"] == 12  # so both are the same here
    assert {key: shown[key] for key in shown["without_unknown"]} == shown["without_unknown"]
    for score in SCORES:
        values = [shown["seeds"][seed][score] for seed in ("5", "6")]
        assert shown[score] == pytest.approx(np.mean(values))
        assert shown["standard_deviation"][score] == pytest.approx(np.std(values, ddof=1))
    of_alone = evaluate(alone, "--split", "test")
    of_six = evaluate(evaluations, "--split", "test", "--seed", 6, "--no-unknown")
    assert of_six == shown["seeds"]["6"]
    assert [of_six[score] for score in SCORES] == [of_alone[score] for score in SCORES]
    together = evaluate(evaluations, "--split", "test", "--seed", "ensemble")
    assert together["seed"] == "ensemble"
    kept = sorted(path.name.split(".")[2] for path in (evaluations / "evaluations").iterdir())
    assert kept == ["ensemble", "seed5", "seed6"]
    table = call("evaluate", evaluations, "--split", "test", "--no-unknown").splitlines()
    assert any(line.startswith("unknown pieces of test: 0.00 %") for line in table)
    table = call("evaluate", evaluations, "--split", "test").splitlines()
    assert [line.split()[1] for line in table[:4]] == ["seed", "5", "6", "mean"]
    bleu = [shown["seeds"][seed]["bleu"] for seed in ("5", "6")]
    assert f"{np.mean(bleu):.2f} ± {np.std(bleu, ddof=1):.2f}" in table[3]


def test_compare_gives_the_mean_and_spread_of_seeds(call, evaluate, evaluations, run):
    arguments = [evaluations, run, "--split", "test", "--samples", 10]
    two, one = json.loads(call("compare", *arguments, "--json"))["runs"]
    shown = evaluate(evaluations, "--split", "test")
    assert two["bleu"] == shown["seeds"]["5"]["bleu"] and "seeds" not in one
    assert two["seeds"]["bleu"]["mean"] == pytest.approx(shown["bleu"])
    assert two["seeds"]["chrf"]["by_seed"]["6"] == shown["seeds"]["6"]["chrf"]
    assert "several seeds, mean ± standard deviation; above, the first" in call(
        "compare", *arguments
    )
    (of_seed, _) = json.loads(call("compare", *arguments, "--seed", 6, "--json"))["runs"]
    assert of_seed["bleu"] == shown["seeds"]["6"]["bleu"] and "seeds" not in of_seed


def test_validation_bleu_is_that_of_the_seed_that_is_compared(call, evaluations, run):
    records = [
        {
            "step": step,
            "seconds": 60.0 * step,
            "validation_bleu": (of_5 + of_6) / 2,
            "validation_bleu/seed_5": of_5,
            "validation_bleu/seed_6": of_6,
        }
        for step, of_5, of_6 in ((1, 2.0, 4.0), (2, 7.0, 3.0))
    ]
    (evaluations / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    arguments = [evaluations, run, "--split", "test", "--samples", 10]
    mean = f"{evaluations}, mean of seeds"
    for seed, name, bleu in (
        ([], str(evaluations), [2.0, 7.0]),
        (["--seed", 6], str(evaluations), [4.0, 3.0]),
        (["--seed", "ensemble"], mean, [3.0, 5.0]),
    ):
        shown = json.loads(call("compare", *arguments, *seed, "--json"))["runs"][0]
        assert shown["validation"] == {"of": name, "minutes": [1.0, 2.0], "bleu": bleu}
    assert f"{mean}  " in call("compare", *arguments, "--seed", "ensemble")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("translate {two} --seed mean", "only scores have a mean, which nmt evaluate gives; ens"),
        ("translate {two} {text} --seed 7", "has seeds 5 to 6; got seed 7"),
        ("translate {two} --seed first", "--seed: wanted a seed or ensemble; got 'first'"),
        ("translate {one} {text} --seed 2", "has seed 1; got seed 2"),
        (
            "translate {one} {text} --seed ensemble",
            "one model, of the seed 1; 'ensemble' needs",
        ),
        ("evaluate {one} --seed mean", "one model, of the seed 1; 'mean' needs several"),
        ("evaluate {two} --alignments 2", "has those of 2 seeds: choose --seed 5, another one, or"),
        ("evaluate {two} --seed mean --split test --output x", "--output is of one model"),
        ("compare {two} {one} --split test --seed 7", "has seeds 5 to 6; got seed 7"),
        (
            "align {two} --source {text} --target {text} --gold {text} --gold-base 0 --choose-head",
            "--choose-head keeps one choice in a run",
        ),
    ],
)
def test_what_no_model_is_meant_by(mistake, trained_with_seeds, trained, lines, arguments, says):
    places = {"two": trained_with_seeds, "one": trained, "text": lines}
    assert says in mistake(*(word.format(**places) for word in arguments.split()))
