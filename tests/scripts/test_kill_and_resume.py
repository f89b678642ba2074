import json
import random
import shutil
from collections import Counter

import numpy as np
import pytest

from nmt.runs.checkpoints import Checkpoints
from nmt.training.events import Events

SHORT = (  # seconds instead of minutes
    ("num_train: 4000, num_validation: 200", "num_train: 300, num_validation: 20"),
    ("batch_pieces: 1024", "batch_pieces: 512"),
    ("num_shapes: 2", "num_shapes: 1"),
    ("num_steps: 288", "num_steps: 30"),
    ("_dim: 64", "_dim: 16"),
    ("decoder_dim: 128", "decoder_dim: 32"),
    ("every: 12, score: loss, max_sentences: 200", "every: 6, score: loss, max_sentences: 20"),
)


@pytest.fixture
def script(load_script):
    return load_script("kill_and_resume")


@pytest.mark.slow
def test_killed_three_times_a_run_ends_as_one_never_stopped(script, monkeypatch, capsys):
    config = script.CONFIG
    for long, short in SHORT:
        assert long in config
        config = config.replace(long, short)
    monkeypatch.setattr(script, "CONFIG", config)
    status = script.main(["--kills", "3"])
    said = capsys.readouterr().out
    assert status == 0, said
    assert "kills: 1 in steps, 1 in validation, 1 in saving" in said
    assert said.endswith("the two runs are equal\n")


@pytest.mark.parametrize(
    ("arguments", "differing", "status", "said"),
    [
        ([], [], 0, "the two runs are equal\n"),
        ([], ["metrics.jsonl: line 1"], 1, "FAILED: the runs differ\n"),
        (["--negative-control"], ["metrics.jsonl: line 1"], 0, "control: differs, as it must\n"),
        (["--negative-control"], [], 1, "CONTROL FAILED: nothing differs\n"),
    ],
)
def test_the_control_must_fail(
    script, monkeypatch, capsys, tmp_path, arguments, differing, status, said
):
    asked = []

    def compare(folder, config, options):
        asked.append(options.negative_control)
        return differing

    monkeypatch.setattr(script, "compare_killed_with_whole", compare)
    assert script.main(arguments) == status
    assert capsys.readouterr().out.endswith(said) and asked == [bool(arguments)]


def test_a_run_that_fails_is_told_and_fails(script, monkeypatch, capsys):
    monkeypatch.setattr(script, "CONFIG", "data: {path: nowhere}")
    assert script.main(["--kills", "1"]) == 1
    assert "FAILED: training ended with status 2: nmt: " in capsys.readouterr().out


def leave_run(path):
    """What training leaves, in small."""
    checkpoints = Checkpoints(path / "checkpoints")
    for step in (2, 4):
        items = {"params": {"w": np.full(3, step)}, "training": {"key": np.uint32(step)}}
        checkpoints.save(step, items, score=step / 2)
    checkpoints.close()
    lines = [{"step": 2, "loss": 1.5, "seconds": 3.0}, {"step": 4, "loss": float("nan")}]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    events = Events(path / "tensorboard", 0)
    events.add(2, {"loss": 1.5, "seconds": 3.0})
    events.close()
    for name in ("translations", "vocabulary"):
        (path / name).mkdir()
        (path / name / "2.txt").write_text("un chat\n")
    return path


@pytest.fixture
def runs(tmp_path):
    """A run, and a copy of it that a test may change."""
    run = leave_run(tmp_path / "run")
    return run, shutil.copytree(run, tmp_path / "copy")


def save_again(run, value, score):
    checkpoints = Checkpoints(run / "checkpoints")
    items = {"params": {"w": np.full(3, value)}, "training": {"key": np.uint32(4)}}
    checkpoints.save(4, items, score=score)
    checkpoints.close()


def add_event(run, step, value, first_step=9):
    events = Events(run / "tensorboard", first_step)
    events.add(step, {"loss": value})
    events.close()


def replace(file, old, new):
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda run: save_again(run, 5, 2.0), ["checkpoints: 4 params w"]),
        (lambda run: save_again(run, 4, 0.5), ["checkpoints: best", "checkpoints: score of 4"]),
        (
            lambda run: replace(run / "metrics.jsonl", "1.5", "1.25"),
            ["metrics.jsonl: line 1, step 2"],
        ),
        (
            lambda run: replace(run / "metrics.jsonl", '{"step": 4, "loss": NaN}\n', ""),
            ["metrics.jsonl: line 2, step 4"],
        ),
        (lambda run: replace(run / "metrics.jsonl", "3.0", "4.0"), []),  # a time
        (lambda run: add_event(run, 2, 1.25), ["tensorboard: ('loss', 2)"]),
        (lambda run: add_event(run, 2, 1.5, first_step=1), []),  # measured again, and equal
        (lambda run: add_event(run, 7, 1.5), ["tensorboard: ('loss', 7)"]),
        (lambda run: replace(run / "translations" / "2.txt", "un", "le"), ["translations: 2.txt"]),
        (lambda run: (run / "vocabulary" / "2.txt").unlink(), ["vocabulary: 2.txt"]),
    ],
)
def test_what_differs_is_named(script, runs, change, named):
    assert script.differences(*runs) == []
    change(runs[1])
    assert script.differences(*runs) == named


def test_a_watch_sees_the_phase_from_outside(script, tmp_path):
    log, unfinished = tmp_path / "log.txt", tmp_path / "checkpoints" / ".unfinished"
    (unfinished / "8").mkdir(parents=True)  # left by a process before
    log.write_text("x step 10: validating\n")
    watch = script.Watch(tmp_path)

    def after(line):
        with log.open("a") as file:
            file.write(f"2026-11-20 10:00:00 {line}\n")
        return watch.phase(), watch.step

    assert after("vocabulary: 500 pieces") == ("other", 0)
    assert after("resuming at step 8") == ("other", 8)
    assert after("step 9, epoch 1: loss 2.0") == ("steps", 9)
    assert after("step 10: validating") == ("validation", 10)
    assert after("step 10: validation loss 1.9") == ("steps", 10)
    shutil.rmtree(unfinished)
    assert watch.phase() == "steps"
    (unfinished / "10").mkdir(parents=True)
    assert after("step 12: validating") == ("saving", 12)
    (unfinished / "10").rename(tmp_path / "checkpoints" / "10")
    assert watch.phase() == "validation"


def test_every_phase_gets_its_kills(script):
    rng = random.Random(1)
    for _ in range(20):
        counts = Counter()
        for left in range(30, 0, -1):
            counts[script.next_phase(counts, left, 5, rng)] += 1
        assert all(counts[phase] >= 5 for phase in script.PHASES)
