"""What a run writes while it trains, on the disk before it is counted on."""

import json
import logging
import math
import os
import struct
import warnings
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from nmt.analysis.records import read_records
from nmt.errors import RunError
from nmt.runs.directory import RunDirectory
from nmt.training.reporting import Reporter, logging_to


def test_resuming_forgets_what_will_be_measured_again(tmp_path):
    run = RunDirectory(tmp_path)
    reporter = Reporter(run, 0, 10, validated=0)
    for step in (1, 2, 3):
        reporter.record(step, loss=step / 2, seconds=10.0 * step)
        reporter.advance()
    reporter.close()
    reporter = Reporter(run, 2, 10, validated=0)
    assert [r["step"] for r in read_records(run.metrics_file)] == [1, 2]
    reporter.record(3, loss=7.0, seconds=25.0)
    reporter.close()
    assert read_records(run.metrics_file)[-1] == {"step": 3, "loss": 7.0, "seconds": 25.0}


def test_a_record_is_on_the_disk_when_it_counts_as_written(tmp_path, monkeypatch):
    run, sync, on_disk = RunDirectory(tmp_path), os.fsync, []

    def synced(descriptor):
        sync(descriptor)
        if os.readlink(f"/proc/self/fd/{descriptor}") == str(run.metrics_file):
            on_disk.append(read_records(run.metrics_file))

    reporter = Reporter(run, 0, 10, validated=0)
    monkeypatch.setattr(os, "fsync", synced)
    expected = []
    for step in (1, 2, 3):
        reporter.record(step, loss=step / 2)
        expected.append({"step": step, "loss": step / 2})
        assert on_disk[-1] == expected
    assert len(on_disk) == 3
    reporter.close()


def scalars(folder):
    """What TensorBoard shows: later files void what older ones say of their steps and later."""
    shown = {}
    for file in sorted(folder.iterdir(), key=lambda file: int(file.suffix.removeprefix("."))):
        for record in tf_records(file.read_bytes()):
            event = Event.FromString(record)
            if event.HasField("session_log"):
                shown = {key: value for key, value in shown.items() if key[0] < event.step}
            for value in event.summary.value:
                shown[event.step, value.tag] = value.simple_value
    return shown


def tf_records(content):
    """The records of an event file: length, its checksum, data, its checksum; none cut off."""
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        assert len(content) >= length + 16
        yield content[12 : 12 + length]
        content = content[length + 16 :]


def test_tensorboard_has_at_any_moment_what_the_metrics_file_has(tmp_path):
    run, expected = RunDirectory(tmp_path), {}
    for first_step in (0, 2):
        reporter = Reporter(run, first_step, 10, validated=0)
        for step in range(first_step + 1, first_step + 4):
            value = 8 * first_step + step
            reporter.record(step, loss=value / 2, seconds=step)
            expected |= {(step, "loss"): value / 2, (step, "seconds"): step}
            assert scalars(run.tensorboard) == expected  # nothing waits to be written
        reporter.close()


@pytest.mark.parametrize("validated", [0, 4])
def test_a_validation_counts_where_its_checkpoint_was_saved(tmp_path, validated):
    """A kill may come between the record of a validation and the checkpoint with its score."""
    run = RunDirectory(tmp_path)
    reporter = Reporter(run, 0, 10, validated=0)
    reporter.record(4, loss=2.0, seconds=1.0)
    reporter.record(4, validation_loss=3.0, seconds=2.0)
    reporter.close()
    Reporter(run, 4, 10, validated=validated).close()
    counts = [True, validated == 4]
    kept = [{"step": 4, "loss": 2.0, "seconds": 1.0}]
    kept += [{"step": 4, "validation_loss": 3.0, "seconds": 2.0}] * (validated == 4)
    assert read_records(run.metrics_file) == kept
    shown = scalars(run.tensorboard)
    assert [(4, name) in shown for name in ("loss", "validation_loss")] == counts


def test_what_is_not_finite_is_null(tmp_path):
    """As the loss of updates that were all left out is, and their gradient's norm."""
    run = RunDirectory(tmp_path)
    reporter = Reporter(run, 0, 10, validated=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reporter.record(1, loss=math.nan, gradient_norm=math.inf, seconds=2.0)
    reporter.close()
    (line,) = run.metrics_file.read_text().splitlines()
    record = json.loads(line, parse_constant=pytest.fail)  # NaN is no JSON
    assert record == {"step": 1, "loss": None, "gradient_norm": None, "seconds": 2.0}
    assert scalars(run.tensorboard) == {(1, "seconds"): 2.0}
    Reporter(run, 1, 10, validated=0).close()
    assert read_records(run.metrics_file) == [record]


def test_a_full_disk_is_told(tmp_path):
    reporter = Reporter(RunDirectory(tmp_path), 0, 10, validated=0)
    reporter._file.close()
    reporter._file = open("/dev/full", "w")  # noqa: SIM115 (the reporter closes it)
    with pytest.raises(RunError, match=f"cannot write metrics into {tmp_path}: No space left"):
        reporter.record(1, loss=1.0)
    reporter.close()


def test_a_log_that_cannot_be_written_ends_training():
    with (
        pytest.raises(RunError, match="cannot write /dev/full: No space left on device"),
        logging_to(Path("/dev/full")),
    ):
        logging.getLogger("nmt").info("something")
