"""Where training begins, and how long a run has been trained when it is taken up again."""

import json

import jax
import numpy as np
import pytest

from nmt.analysis.records import read_records
from nmt.config.schema import Config, DataConfig, RecurrentConfig
from nmt.devices.mesh import make_mesh
from nmt.errors import RunError
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.directory import RunDirectory
from nmt.training import resuming
from nmt.training.members import Members
from nmt.training.reporting import Reporter
from nmt.training.resuming import initial, seconds_trained, set_aside_if_lost


def test_initial_parameters_are_the_same_however_well_they_are_compiled(monkeypatch):
    model = RecurrentConfig(embedding_dim=4, encoder_dim=5, decoder_dim=6, readout_dim=4)
    config, states = Config(data=DataConfig(path="embedded"), model=model), []
    for many in (resuming.MANY, 0):
        monkeypatch.setattr(resuming, "MANY", many)
        states.append(initial(config, Members((1,)), (20, 20), make_mesh())[1])
    for small, large in zip(*map(jax.tree.leaves, states), strict=True):
        np.testing.assert_allclose(small, large, rtol=1e-6, atol=1e-7)


def test_a_run_without_metrics_has_trained_no_time(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert seconds_trained(RunDirectory(tmp_path), checkpoints, 0) == 0.0
    checkpoints.close()


def test_the_last_record_or_the_checkpoint_tells_whichever_is_later(tmp_path):
    run = RunDirectory(tmp_path)
    records = [{"step": step, "seconds": 10.0 * step} for step in (1, 2, 3)]
    run.metrics_file.write_text("".join(json.dumps(record) + "\n" for record in records))
    checkpoints = Checkpoints(run.checkpoints)
    for step, seconds in [(2, 21.0), (4, 37.5)]:
        checkpoints.save(step, {"params": {"w": np.zeros(2)}}, seconds=seconds)
    checkpoints.wait()
    assert seconds_trained(run, checkpoints, 2) == 30.0
    assert seconds_trained(run, checkpoints, 4) == 37.5
    checkpoints.close()


def test_a_run_stopped_before_its_first_step_has_trained_for_some_time(tmp_path):
    run = RunDirectory(tmp_path)
    checkpoints = Checkpoints(run.checkpoints)
    checkpoints.save(0, {"params": {"w": np.zeros(2)}}, seconds=39.5, interrupted=True)
    checkpoints.wait()
    assert seconds_trained(run, checkpoints, 0) == 39.5
    checkpoints.close()


def test_the_time_of_steps_that_a_kill_undid_counts_however_often_it_is_killed(tmp_path):
    run = RunDirectory(tmp_path)
    checkpoints = Checkpoints(run.checkpoints)
    checkpoints.save(2, {"params": {"w": np.zeros(2)}}, seconds=20.0)
    checkpoints.wait()
    reporter = Reporter(run, 0, 10, validated=0)
    for step in (1, 2, 3):
        reporter.record(step, loss=1.0, seconds=10.0 * step)
    reporter.close()
    for _ in range(3):  # killed again before its first log
        seconds = seconds_trained(run, checkpoints, 2)
        assert seconds == 30.0
        Reporter(run, 2, 10, validated=0, seconds=seconds).close()
    assert [record["step"] for record in read_records(run.metrics_file)] == [1, 2]
    run.seconds_file.write_text("half an hour")
    with pytest.raises(RunError, match="seconds.txt is damaged: a number of seconds is wanted"):
        seconds_trained(run, checkpoints, 2)
    checkpoints.close()


@pytest.mark.parametrize(
    "last", [{"step": 4, "validation_loss": 3.0}, {"step": 11, "loss": 1.0}], ids=str
)
def test_of_a_run_without_checkpoints_metrics_are_set_aside_and_time_forgotten(
    tmp_path, caplog, last
):
    run, checkpoints = RunDirectory(tmp_path), Checkpoints(tmp_path / "checkpoints")

    def record(**values):
        reporter = Reporter(run, 0, 100, validated=0)
        reporter.record(**values, seconds=60.0)
        reporter.close()

    record(step=3, loss=2.0)
    set_aside_if_lost(run, 0, 10)  # killed before its first checkpoint
    assert seconds_trained(run, checkpoints, 0) == 60.0 and not caplog.text
    for name in (f"metrics.until-{last['step']}", f"metrics.until-{last['step']}.2"):
        record(**last)
        run.seconds_file.write_text("70.0")
        before = run.metrics_file.read_bytes()
        set_aside_if_lost(run, 5, 10)  # a checkpoint is there
        assert run.metrics_file.read_bytes() == before != b""
        set_aside_if_lost(run, 0, 10)
        assert (tmp_path / f"{name}.jsonl").read_bytes() == before
        assert run.metrics_file.read_bytes() == b""
        assert seconds_trained(run, checkpoints, 0) == 0.0
        assert caplog.text.count("no checkpoint is left: training begins anew") == 1
        caplog.clear()
    checkpoints.close()
