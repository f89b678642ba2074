"""How long a run has been trained, when it is taken up again."""

import json

import numpy as np

from nmt.runs.checkpoints import Checkpoints
from nmt.training.resuming import seconds_trained


def test_a_run_without_metrics_has_trained_no_time(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert seconds_trained(tmp_path / "metrics.jsonl", checkpoints, 0) == 0.0
    checkpoints.close()


def test_the_last_record_or_the_checkpoint_tells_whichever_is_later(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    records = [{"step": step, "seconds": 10.0 * step} for step in (1, 2, 3)]
    metrics.write_text("".join(json.dumps(record) + "\n" for record in records))
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for step, seconds in [(2, 21.0), (4, 37.5)]:
        checkpoints.save(step, {"params": {"w": np.zeros(2)}}, seconds=seconds)
    checkpoints.wait()
    assert seconds_trained(metrics, checkpoints, 2) == 30.0
    assert seconds_trained(metrics, checkpoints, 4) == 37.5
    checkpoints.close()
