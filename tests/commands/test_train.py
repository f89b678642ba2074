"""nmt train: what it hands on, and how it ends."""

import os
import signal
from pathlib import Path

import pytest

from nmt.cli import main
from nmt.devices.compiled_programs import are_programs_deterministic

pytest_plugins = ["tests.command_calls"]


def test_train_reads_the_config_and_names_the_run(call, monkeypatch, tmp_path, run):
    from nmt.training import loop

    calls, flags = [], []

    def train(config, path):
        calls.append((config, path))
        flags.append(are_programs_deterministic())

    monkeypatch.setattr(loop, "train", train)
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "4")
    monkeypatch.setenv("NPROC", "1")
    monkeypatch.delenv("NPROC")
    monkeypatch.chdir(tmp_path)
    config_file = run.with_suffix(".yaml")
    assert call("train", config_file, "training.num_steps=11") == ""
    call("train", "--run", tmp_path / "other", config_file)
    (first, first_path), (second, second_path) = calls
    assert (first.training.num_steps, second.training.num_steps) == (11, 4)
    assert (first_path, second_path) == (Path("runs/tiny"), tmp_path / "other")
    assert int(os.environ["NPROC"]) > 4  # threads for the devices' collectives
    call("train", config_file, "training.deterministic=true")
    assert flags == [False, False, True]


def test_a_run_must_have_a_name(mistake, run):
    """Which an unset variable has not."""
    said = mistake("train", run.with_suffix(".yaml"), "--run", "")
    assert "--run must name a run directory; got ''" in said


def test_train_that_was_stopped_ends_as_the_signal_does(capfd, monkeypatch, run):
    from nmt.training import loop

    def train(config, path):
        raise loop.Interrupted(signal.SIGTERM)

    monkeypatch.setattr(loop, "train", train)
    assert main(["train", str(run.with_suffix(".yaml"))]) == 128 + signal.SIGTERM
    assert capfd.readouterr().err == "nmt: stopped by SIGTERM\n"


@pytest.mark.slow
def test_train_then_evaluate(capfd, mistake, evaluate, monkeypatch, tmp_path, run):
    monkeypatch.chdir(tmp_path)
    config_file = run.with_suffix(".yaml")
    assert main(["train", str(config_file)]) == 0
    out, err = capfd.readouterr()
    assert out == "" and err.count("finished 4 steps") == 1
    assert evaluate("runs/tiny", "--split", "test")["checkpoint"] == 4
    assert main(["train", str(config_file)]) == 0
    assert "finished" in capfd.readouterr().err
    assert "model.encoder_dim is 8 there and 9 here" in mistake(
        "train", config_file, "model.encoder_dim=9"
    )
