"""A run of several seeds: each as by itself, stopping each at its time, resuming all."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

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
from nmt.errors import RunError
from nmt.runs.checkpoints import BEST, Checkpoints
from nmt.training import loop
from nmt.training.loop import Interrupted, train
from nmt.training.validation import Validation

TIMES = {"seconds", "tokens_per_second"}
CONFIG = Config(
    data=DataConfig(
        path="embedded",
        embedded=EmbeddedConfig(num_train=60, num_validation=3, num_test=3, max_words=6),
        batch_pieces=128,
        num_shapes=1,
    ),
    vocabulary=VocabularyConfig(size=150, sampling=0.2),
    model=RecurrentConfig(
        embedding_dim=4, encoder_dim=4, decoder_dim=4, alignment_dim=4, readout_dim=4, dropout=0.2
    ),
    training=TrainingConfig(
        seed=3,
        num_seeds=2,
        num_steps=6,
        log_every=2,
        save_every=2,
        average_decay=0.9,
        patience=1,
        accumulation=2,
        alignment_weight=0.5,
    ),
    validation=ValidationConfig(every=2),
)
SCORES = {  # by seed and step: the first stops after step 4, as nothing is better than at step 2
    3: {2: 1.0, 4: 0.5},
    4: {2: 1.0, 4: 2.0, 6: 3.0},
}


@pytest.fixture(scope="module")
def scripted():
    """Validations that compile nothing: their scores are written above."""

    def validate(self, params, translations, check):
        check()
        step, _, seed = translations.stem.partition(".seed")
        score = SCORES[int(seed or self.config.training.seed)][int(step)]
        return Validation(loss=1 / score, perplexity=2.0, bleu=score, aer=None, score=score)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Validator, "validate", validate)
        yield


@pytest.fixture(scope="module")
def whole(scripted, tmp_path_factory):
    """A run that was never stopped."""
    path = tmp_path_factory.mktemp("runs") / "whole"
    train(CONFIG, path)
    return path


def items(run, step=None):
    """All that a checkpoint holds, the last one where no step is given."""
    checkpoints = Checkpoints(run / "checkpoints")
    step = checkpoints.latest() if step is None else step
    found = {name: checkpoints.load_item(step, name) for name in checkpoints.manifest(step).items}
    checkpoints.close()
    return found


def of_member(tree, k):
    return jax.tree.map(lambda leaf: leaf[k], tree)


def assert_same(left, right):
    jax.tree.map(np.testing.assert_array_equal, left, right)


def timeless(run):
    return [
        {name: value for name, value in record.items() if name not in TIMES}
        for record in read_records(run / "metrics.jsonl")
    ]


@pytest.mark.slow
def test_each_keeps_its_best_weights_and_stops_at_its_time(whole):
    at_4, at_6 = items(whole, 4), items(whole)
    assert at_6["training"]["counters"]["step"].tolist() == [4, 6]
    assert at_6["training"]["progress"]["validated"].tolist() == [4, 6]
    assert at_6["training"]["progress"]["best_score"].tolist() == [1.0, 3.0]
    for name in ("params", "average"):
        assert_same(of_member(at_6[name], 0), of_member(at_4[name], 0))
    at_2 = items(whole, 2)  # keep_last is 3
    assert_same(of_member(at_6[BEST], 0), of_member(at_2["average"], 0))
    assert_same(of_member(at_6[BEST], 1), of_member(at_6["average"], 1))
    assert_same(of_member(at_4[BEST], 1), of_member(at_4["average"], 1))
    checkpoints = Checkpoints(whole / "checkpoints")
    assert checkpoints.resolve("best") == (6, BEST)
    assert checkpoints.resolve("last") == (6, "average")
    checkpoints.close()


@pytest.mark.slow
def test_what_is_measured_is_told_by_seed_and_in_the_mean(whole):
    records = {("loss" in r, r["step"]): r for r in timeless(whole)}
    second, last = records[False, 4], records[False, 6]
    assert second["validation_bleu"] == 1.25
    assert second["validation_bleu/seed_3"] == 0.5 and second["validation_bleu/seed_4"] == 2.0
    assert last["validation_bleu"] == last["validation_bleu/seed_4"] == 3.0
    assert "validation_bleu/seed_3" not in last
    first = records[True, 2]
    losses = first["loss/seed_3"], first["loss/seed_4"]
    assert losses[0] != losses[1] and first["loss"] == pytest.approx(np.mean(losses))
    assert "loss/seed_3" not in records[True, 6]
    log = (whole / "log.txt").read_text()
    assert "2 models of" in log and "seed 3: no better score in 1 validations: it stops" in log
    assert "BLEU 1.25 ± 1.06 (the best so far of seed 4)" in log


@pytest.mark.slow
def test_a_member_equals_a_run_alone(whole, tmp_path):
    """Dropout, pieces sampled anew, guided alignment, accumulation and the moving average."""
    alone = replace(CONFIG, training=replace(CONFIG.training, seed=4, num_seeds=1))
    train(alone, tmp_path / "run")
    ours, theirs = items(whole), items(tmp_path / "run")
    assert ours.keys() == theirs.keys() | {BEST}
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[1], b, rtol=1e-4, atol=2e-6),
        {name: ours[name] for name in theirs},
        theirs,
    )
    for record in timeless(tmp_path / "run"):
        (same,) = [
            r
            for r in timeless(whole)
            if r["step"] == record["step"] and ("loss" in r) == ("loss" in record)
        ]
        for name in record.keys() - {"step", "epoch"}:
            assert same[f"{name}/seed_4"] == pytest.approx(record[name], rel=1e-4)


@pytest.mark.slow
def test_resuming_equals_never_stopping(whole, scripted, tmp_path, monkeypatch):
    """Stopped after step 5, where one member trains and the other has stopped."""
    taken, original = [], loop.CompiledSteps.step

    def counted(self, *arguments):
        taken.append(None)
        if len(taken) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop.CompiledSteps, "step", counted)
        with pytest.raises(Interrupted):
            train(CONFIG, tmp_path / "run")
    assert items(tmp_path / "run")["training"]["counters"]["step"].tolist() == [4, 5]
    train(CONFIG, tmp_path / "run")
    assert_same(items(tmp_path / "run"), items(whole))
    assert json.dumps(timeless(tmp_path / "run")) == json.dumps(timeless(whole))


@pytest.mark.slow
def test_another_number_of_seeds_is_refused(whole):
    other = replace(CONFIG, training=replace(CONFIG.training, num_seeds=3))
    with pytest.raises(RunError, match="training.num_seeds is 2 there and 3 here"):
        train(other, whole)


OF_TWO_THREADS = """
import sys
from nmt.config.schema import RecurrentConfig
from nmt.devices.mesh import make_mesh
from nmt.training.members import Members
from nmt.training.resuming import initial
from tests.training.test_several_seeds import CONFIG, replace

config = replace(CONFIG, model=RecurrentConfig(**dict.fromkeys(sys.argv[1].split(","), 96)))
_, state = initial(config, Members((1, 2)), (150, 150), make_mesh())
print(state.params["target_embedding"]["table"].shape)
"""


def test_parameters_of_several_seeds_are_made_by_two_threads():
    """Factoring matrices of all of them at once, the threads of XLA waited for one another."""
    sizes = "embedding_dim,encoder_dim,decoder_dim,alignment_dim,readout_dim"
    environment = os.environ | {"NPROC": "2"}
    environment.pop("XLA_FLAGS", None)
    done = subprocess.run(
        [sys.executable, "-c", OF_TWO_THREADS, sizes],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.startswith("(2, "), done.stderr
