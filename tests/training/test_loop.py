"""Training in a run directory: what it leaves there, stopping, resuming, refusing."""

import json
import logging
import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import jax
import numpy as np
import pytest

from nmt.analysis.records import read_records
from nmt.config.schema import (
    Config,
    DataConfig,
    EmbeddedConfig,
    RecurrentConfig,
    TrainingConfig,
    ValidationConfig,
    VocabularyConfig,
)
from nmt.data.corpus import load_split
from nmt.decoding.loading import load_found
from nmt.devices.mesh import make_mesh
from nmt.errors import ConfigError, RunError
from nmt.models import execution
from nmt.runs.checkpoints import MOVING_AVERAGE, PARAMS, Checkpoints
from nmt.runs.directory import RunDirectory
from nmt.training import divergence, loop
from nmt.training.loop import Interrupted, train
from nmt.training.loss import LossSums
from nmt.training.members import Members
from nmt.training.preparation import Prepared, prepare

TIMES = {"seconds", "tokens_per_second"}
CONFIG = Config(
    data=DataConfig(
        path="embedded",
        embedded=EmbeddedConfig(num_train=150, num_validation=9, num_test=5, max_words=8),
        batch_pieces=256,
        num_shapes=2,
    ),
    vocabulary=VocabularyConfig(kind="word", size=60, joint=False),
    model=RecurrentConfig(
        embedding_dim=8, encoder_dim=8, decoder_dim=8, alignment_dim=8, readout_dim=8, dropout=0.2
    ),
    training=TrainingConfig(
        num_steps=12,
        average_decay=0.9,
        schedule="plateau",
        plateau_patience=1,
        log_every=2,
        save_every=3,
        keep_last=2,
    ),
    validation=ValidationConfig(every=4, max_sentences=6),
)


def weights(run):
    """All that a checkpoint holds at the end."""
    checkpoints = Checkpoints(run / "checkpoints")
    step = checkpoints.latest()
    items = {name: checkpoints.load_item(step, name) for name in ("params", "average", "training")}
    checkpoints.close()
    return step, items


def assert_bit_equal(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_bit_equal(a[key], b[key])
    elif isinstance(a, tuple):
        for x, y in zip(a, b, strict=True):
            assert_bit_equal(x, y)
    else:
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def timeless(run):
    return [
        {name: value for name, value in record.items() if name not in TIMES}
        for record in read_records(run / "metrics.jsonl")
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never stopped."""
    path = tmp_path_factory.mktemp("runs") / "whole"
    train(CONFIG, path)
    return path


class Accumulated(NamedTuple):
    """A run of two epochs, two batches to a step, that was never stopped.

    Attributes:
      config: of the run.
      path: of the run.
      steps: what was summed over the pieces of each step.
      prepared: what it trained on.
    """

    config: Config
    path: Path
    steps: list[LossSums]
    prepared: Prepared


@pytest.fixture(scope="module")
def accumulated(tmp_path_factory):
    folder, steps, original = tmp_path_factory.mktemp("runs"), [], loop.CompiledSteps.step
    prepared = prepare(CONFIG, RunDirectory.create(folder / "prepared", CONFIG))

    def measured(self, *arguments):
        state, metrics = original(self, *arguments)
        steps.append(jax.device_get(metrics.sums))
        return state, metrics

    assert prepared.batches.num_batches % 4 == 0  # or a log would be of both epochs
    training = replace(CONFIG.training, num_steps=prepared.batches.num_batches, accumulation=2)
    config = replace(CONFIG, training=training, validation=replace(CONFIG.validation, every=100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.CompiledSteps, "step", measured)
        train(config, folder / "run")
    return Accumulated(config, folder / "run", steps, prepared)


def interrupt_at(monkeypatch, step):
    """Sends this process SIGTERM when so many steps have been taken."""
    taken = []
    original = loop.CompiledSteps.step

    def counted(self, *arguments):
        taken.append(None)
        if len(taken) == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *arguments)

    monkeypatch.setattr(loop.CompiledSteps, "step", counted)


@pytest.mark.slow
def test_a_run_holds_what_is_promised(whole):
    run = RunDirectory.open(whole)
    assert run.read_config() == CONFIG
    environment = json.loads(run.environment_file.read_text())
    assert set(environment["corpus"]) == {"train", "train (cleaned)", "validation", "test"}
    assert environment["packages"]["jax"]
    assert "12" in {path.name for path in run.checkpoints.iterdir()}
    records = read_records(run.metrics_file)
    assert [r["step"] for r in records if "loss" in r] == [2, 4, 6, 8, 10, 12]
    assert [r["step"] for r in records if "validation_bleu" in r] == [4, 8, 12]
    assert len((run.translations / "12.txt").read_text().splitlines()) == 6
    assert list(run.tensorboard.iterdir())
    assert json.loads((run.data / "cleaning.json").read_text())["pairs_in"] == 150
    assert "parameters" in run.log_file.read_text()
    assert "compiled in" in run.log_file.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("step", [5, 8, 9])
def test_resuming_equals_never_stopping(whole, tmp_path, monkeypatch, step):
    """In the checkpoints that are left too, also where one was due when it stopped: at step 9."""
    interrupt_at(monkeypatch, step)
    with pytest.raises(Interrupted) as stopped:
        train(CONFIG, tmp_path / "run")
    assert stopped.value.signal_number == signal.SIGTERM
    assert weights(tmp_path / "run")[0] < 12
    monkeypatch.undo()
    train(CONFIG, tmp_path / "run")
    assert weights(tmp_path / "run")[0] == 12
    assert_bit_equal(weights(tmp_path / "run"), weights(whole))
    assert timeless(tmp_path / "run") == timeless(whole)
    assert checkpoint_steps(tmp_path / "run") == checkpoint_steps(whole)


@pytest.mark.slow
def test_another_seed_goes_elsewhere(whole, tmp_path):
    """What the equality of runs says: it does not come by itself."""
    train(replace(CONFIG, training=replace(CONFIG.training, seed=2, num_steps=2)), tmp_path / "run")
    first, other = timeless(whole)[0], timeless(tmp_path / "run")[0]
    assert first["step"] == other["step"] == 2
    assert first["loss"] != other["loss"]


@pytest.mark.slow
def test_a_finished_run_says_so(whole, caplog):
    caplog.set_level(logging.INFO, logger="nmt")
    before = weights(whole)
    train(CONFIG, whole)
    assert f"run {whole} is finished: 12 steps" in caplog.text
    assert_bit_equal(weights(whole), before)
    train(replace(CONFIG, training=replace(CONFIG.training, num_steps=3)), whole)
    assert_bit_equal(weights(whole), before)
    assert RunDirectory(whole).read_config() == CONFIG


@pytest.mark.slow
def test_another_config_is_refused_and_the_keys_named(whole):
    other = replace(CONFIG, model=replace(CONFIG.model, encoder_dim=9))
    with pytest.raises(RunError, match="model.encoder_dim is 8 there and 9 here"):
        train(other, whole)


@pytest.mark.slow
def test_a_lengthened_run_is_one_that_was_long(whole, tmp_path):
    shorter = replace(CONFIG, training=replace(CONFIG.training, num_steps=8))
    train(shorter, tmp_path / "run")
    train(CONFIG, tmp_path / "run")
    assert_bit_equal(weights(tmp_path / "run"), weights(whole))
    assert timeless(tmp_path / "run") == timeless(whole)


@pytest.mark.slow
def test_a_run_that_is_shortened_below_its_step_ends_validated(tmp_path, monkeypatch, caplog):
    seldom = replace(CONFIG, validation=replace(CONFIG.validation, every=100))
    interrupt_at(monkeypatch, 5)
    with pytest.raises(Interrupted):
        train(seldom, tmp_path / "run")
    monkeypatch.undo()
    caplog.set_level(logging.INFO, logger="nmt")
    train(replace(seldom, training=replace(CONFIG.training, num_steps=3)), tmp_path / "run")
    step = weights(tmp_path / "run")[0]
    assert step > 3 and f"step {step}: validation loss" in caplog.text
    assert RunDirectory(tmp_path / "run").read_config().training.num_steps == step


@pytest.mark.slow
def test_validation_measures_the_average_and_its_score_is_the_checkpoints(tmp_path):
    training = replace(CONFIG.training, keep_last=9, precision="float32")
    config = replace(CONFIG, training=training, validation=replace(CONFIG.validation, score="loss"))
    train(config, tmp_path / "run")
    run = RunDirectory.open(tmp_path / "run")
    records = read_records(run.metrics_file)
    measured = {r["step"]: r["validation_loss"] for r in records if "validation_loss" in r}
    assert list(measured) == [4, 8, 12]
    checkpoints = Checkpoints(run.checkpoints)
    best = min(measured, key=measured.get)
    assert checkpoints.resolve("best") == (best, MOVING_AVERAGE)
    split = load_split(config.data, "validation")
    for step, loss in measured.items():
        assert checkpoints.manifest(step).score == -loss
        found = {}
        for item in (MOVING_AVERAGE, PARAMS):
            translator = load_found(run, step, item)
            encoded = translator.vocabularies.target.encode_batch(split.target)
            num_pieces = sum(len(ids) + 1 for ids in encoded)
            found[item] = -sum(translator.log_probs(split.source, split.target)) / num_pieces
        assert found[MOVING_AVERAGE] == pytest.approx(loss, rel=1e-5)
        assert found[PARAMS] != pytest.approx(loss, rel=1e-4)


@pytest.mark.slow
def test_accumulated_batches_train_too(accumulated):
    """Each batch once: as many steps as an epoch has batches see every pair twice."""
    records = read_records(accumulated.path / "metrics.jsonl")
    losses = [record["loss"] for record in records if "loss" in record]
    assert losses[-1] < losses[0]
    num_pieces = accumulated.prepared.batches.pairs.target.lengths.sum()
    half = len(accumulated.steps) // 2
    for epoch in (accumulated.steps[:half], accumulated.steps[half:]):
        assert sum(sums.num_pieces for sums in epoch) == num_pieces
    epochs = [record["epoch"] for record in records if "loss" in record]
    assert epochs == [1] * (len(epochs) // 2) + [2] * (len(epochs) // 2)


@pytest.mark.slow
def test_resuming_with_accumulated_batches_equals_never_stopping(
    accumulated, tmp_path, monkeypatch
):
    interrupt_at(monkeypatch, 5)
    with pytest.raises(Interrupted):
        train(accumulated.config, tmp_path / "run")
    monkeypatch.undo()
    train(accumulated.config, tmp_path / "run")
    assert_bit_equal(weights(tmp_path / "run"), weights(accumulated.path))
    assert timeless(tmp_path / "run") == timeless(accumulated.path)


@pytest.mark.slow
def test_the_loss_of_a_log_is_the_mean_over_the_pieces_since_the_log_before(accumulated):
    logged = [r for r in read_records(accumulated.path / "metrics.jsonl") if "loss" in r]
    every = accumulated.config.training.log_every
    assert len(logged) == len(accumulated.steps) / every > 1
    for record in logged:
        since = accumulated.steps[record["step"] - every : record["step"]]
        num_pieces = sum(int(sums.num_pieces) for sums in since)
        loss, nll = (sum(float(getattr(sums, x)) for sums in since) for x in ("loss", "nll"))
        assert record["loss"] == pytest.approx(loss / num_pieces, rel=1e-5)
        assert record["perplexity"] == pytest.approx(math.exp(nll / num_pieces), rel=1e-5)


@pytest.mark.slow
def test_training_that_diverges_stops_with_advice(tmp_path, monkeypatch):
    monkeypatch.setattr(divergence, "MOST_WORSE", 2)
    training = replace(CONFIG.training, learning_rate=1e4, schedule="constant")
    with pytest.raises(RunError, match="diverged.*2 logs in a row.*try a lower training.learning"):
        train(replace(CONFIG, training=training), tmp_path / "run")


@pytest.mark.slow
def test_patience_ends_training_early(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="nmt")
    training = replace(
        CONFIG.training, learning_rate=0.0, patience=1, average_decay=None, log_every=3
    )
    config = replace(CONFIG, training=training, validation=replace(CONFIG.validation, score="loss"))
    train(config, tmp_path / "run")
    # The second validation is no better than the first.
    assert checkpoint_steps(tmp_path / "run")[-1] == 8
    assert "stopped early" in caplog.text
    logged = [r["step"] for r in read_records(tmp_path / "run" / "metrics.jsonl") if "loss" in r]
    assert logged == [3, 6, 8]  # the steps since the last log too
    train(config, tmp_path / "run")
    assert "is finished: 8 steps" in caplog.text
    caplog.clear()
    train(replace(config, training=replace(training, num_steps=8)), tmp_path / "short")
    assert "finished 8 steps" in caplog.text and "stopped early" not in caplog.text


def test_a_mistake_that_comes_out_in_preparation_leaves_no_run(tmp_path):
    vocabulary = VocabularyConfig(size=5000)
    with pytest.raises(ConfigError, match="vocabulary.size is too large"):
        train(replace(CONFIG, vocabulary=vocabulary), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def checkpoint_steps(run):
    checkpoints = Checkpoints(run / "checkpoints")
    checkpoints.close()
    return checkpoints.steps()


@pytest.mark.slow
def test_a_run_out_of_time_has_taken_a_step_and_says_so_when_started_again(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="nmt")
    config = replace(CONFIG, training=replace(CONFIG.training, max_minutes=1e-6))
    train(config, tmp_path / "run")
    assert checkpoint_steps(tmp_path / "run") == [1]
    caplog.clear()
    train(config, tmp_path / "run")
    assert "has used up training.max_minutes: 1 steps" in caplog.text
    assert "compiled in" not in caplog.text


@pytest.mark.slow
def test_the_time_between_the_last_log_and_a_stop_counts(tmp_path, monkeypatch):
    class Slow(loop.Clock):
        def __init__(self):
            super().__init__()
            self.add_earlier(600.0)  # as if each start had trained for so long

    monkeypatch.setattr(loop, "Clock", Slow)
    config = replace(CONFIG, training=replace(CONFIG.training, max_minutes=25.0, log_every=100))
    for stop in (1, 2):
        with monkeypatch.context() as patch:
            interrupt_at(patch, 1)
            with pytest.raises(Interrupted):
                train(config, tmp_path / "run")
        checkpoints = Checkpoints(tmp_path / "run" / "checkpoints")
        assert 600 * stop < checkpoints.manifest(stop).seconds < 600 * (stop + 1)
        checkpoints.close()
    train(config, tmp_path / "run")  # the third start is over its minutes, and only validates
    assert checkpoint_steps(tmp_path / "run") == [2]


@pytest.mark.parametrize("precision, slow", [("bfloat16", True), ("float32", False)])
def test_a_processor_that_lacks_bfloat16_is_told_of(monkeypatch, caplog, precision, slow):
    monkeypatch.setattr(execution, "lacks_bfloat16", lambda: True)
    training, members = TrainingConfig(precision=precision), Members((1,))
    state = SimpleNamespace(params={"w": np.zeros((2, 3))})
    with caplog.at_level(logging.WARNING, logger="nmt"):
        loop._say_start(training, members, state, make_mesh())
    assert ("trains faster with training.precision=float32" in caplog.text) == slow


def test_a_run_in_use_keeps_its_config(tmp_path):
    run = RunDirectory.create(tmp_path / "run", CONFIG)
    before = run.config_file.read_bytes()
    changed = replace(CONFIG, training=replace(CONFIG.training, num_steps=77))
    with run.locked(), pytest.raises(RunError, match="is in use"):
        train(changed, tmp_path / "run")
    assert run.config_file.read_bytes() == before


@pytest.mark.slow
def test_a_guided_run_that_was_stopped_equals_one_that_was_not(tmp_path, monkeypatch):
    config = replace(
        CONFIG,
        training=replace(CONFIG.training, alignment_weight=0.5, num_steps=7, log_every=3),
        validation=ValidationConfig(every=7, max_sentences=6, aer=True, score="aer"),
    )
    train(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 4)  # between two logs: the sums of the alignment go on
        with pytest.raises(Interrupted):
            train(config, tmp_path / "stopped")
    train(config, tmp_path / "stopped")
    assert timeless(tmp_path / "stopped") == timeless(tmp_path / "whole")
    assert_bit_equal(weights(tmp_path / "stopped"), weights(tmp_path / "whole"))
    records = timeless(tmp_path / "whole")
    assert any("alignment_loss" in record for record in records)
    assert [record["step"] for record in records if "validation_aer" in record] == [7]
