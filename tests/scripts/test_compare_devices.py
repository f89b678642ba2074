"""Real trainings on one device, on several, and in two processes."""

import json
import shutil

import pytest

TINY = [
    "data.embedded.num_train=200",
    "data.embedded.num_validation=5",
    "data.num_shapes=1",
    "data.batch_pieces=256",
    "vocabulary.size=300",
    "validation.max_sentences=2",
    "training.save_every=3",
    "model.embedding_dim=8",
    "model.encoder_dim=8",
    "model.decoder_dim=8",
    "model.alignment_dim=8",
    "model.readout_dim=8",
    "model.dropout=0.2",
]


@pytest.mark.slow
def test_two_processes_go_on_where_one_device_stopped_with_the_same_losses(load_script, tmp_path):
    script = load_script("compare_devices")
    whole = [*TINY, "training.num_steps=6"]
    expected = script.train(script.ONE, tmp_path / "one", whole)
    assert len(set(expected)) == 6

    stopped = shutil.copytree(tmp_path / "one", tmp_path / "two")  # at step 3
    shutil.rmtree(stopped / "checkpoints" / "6")
    records = (stopped / "metrics.jsonl").read_text().splitlines(keepends=True)
    early = [line for line in records if json.loads(line)["step"] <= 3]
    (stopped / "metrics.jsonl").write_text("".join(early))
    two = script.Place(processes=2, devices=1, model_devices=2)
    resumed = script.train(two, stopped, whole)
    assert "resuming at step 3" in (stopped / "log.txt").read_text()
    assert resumed == pytest.approx(expected, rel=1e-4)
