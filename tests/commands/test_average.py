"""The command, and what other commands make of the checkpoint that it leaves."""

import json
from pathlib import Path

import jax
import numpy as np

from nmt.config.reader import read_config, to_yaml
from nmt.runs.checkpoints import PARAMS, Checkpoints
from nmt.runs.directory import RunDirectory

pytest_plugins = ["tests.command_calls"]
LINES = ["the cat sleeps .", "", "a small dog sees the house ."]


def test_the_mean_is_made_and_translates(run, call, tmp_path):
    said = call("average", run)
    assert said == "averaged 2 checkpoints, of steps 7, 9: --checkpoint average\n"
    checkpoints = Checkpoints(run / "checkpoints")
    trees = [checkpoints.load_item(name, PARAMS) for name in (7, 9, "average")]
    for seven, nine, mean in zip(*map(jax.tree.leaves, trees), strict=True):
        np.testing.assert_allclose(mean, (seven + nine) / 2, rtol=1e-6)

    text = tmp_path / "lines.txt"
    text.write_text("".join(f"{line}\n" for line in LINES))
    averaged, best = (
        call("translate", run, text, "--checkpoint", which) for which in ("average", "best")
    )
    assert len(averaged.splitlines()) == len(LINES)
    # The two checkpoints are 3 and 4 times the same weights, their mean 3.5 times.
    assert averaged != best
    import nmt

    loaded = nmt.load(run, "average")
    assert [t.text for t in loaded.translate(LINES)] == averaged.splitlines()


def test_scores_of_an_average_are_kept_apart_from_those_of_its_steps(run, call):
    call("average", run, "--last", "1")
    for which in ("9", "average"):
        call("evaluate", run, "--split", "test", "--checkpoint", which)
    kept = sorted((run / "evaluations").glob("test.*.json"))
    assert len(kept) == 2 and len({json.loads(path.read_text())["bleu"] for path in kept}) == 1
    assert {path.name.split(".")[1] for path in kept} != {"9"}


def test_mistakes(run, mistake):
    assert "the last 3 checkpoints of run" in (said := mistake("average", run, "--last", "3"))
    assert said.endswith("are wanted; got 2")
    assert "nmt average" in mistake(
        "translate", run, run / "config.yaml", "--checkpoint", "average"
    )
    assert "no key can be overridden here" in mistake("average", run, "training.keep_last=9")
    assert "wanted a whole number of 1 or more" in mistake("average", run, "--last", "0")
    assert "does not exist" in mistake("average", run.parent / "absent")
    assert "RUN is missing" in mistake("average")
    with RunDirectory(run).locked():
        assert "is in use by process" in mistake("average", run)
    assert not (run / "checkpoints" / "average").exists()


def test_a_run_with_another_model_in_its_config_names_the_arrays(run, mistake):
    file = Path(run, "config.yaml")
    file.write_text(to_yaml(read_config(file, ["model.encoder_dim=9"])))
    said = mistake("translate", run, file)
    assert "checkpoint 7 of run" in said and "is of another model: params." in said
    assert "wanted float32" in said and ", came float32" in said
    assert "is of another model" in mistake("evaluate", run)
    assert "is of another model" in mistake("plot", run, "the cat .", "--output", run / "x.png")
