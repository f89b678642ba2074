"""Real trainings on one device, on several, and in two processes."""

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
    whole, half = [*TINY, "training.num_steps=6"], [*TINY, "training.num_steps=3"]
    expected = script.train(script.ONE, tmp_path / "one", whole)
    assert len(set(expected)) == 6

    script.train(script.ONE, tmp_path / "two", half)
    two = script.Place(processes=2, devices=1, model_devices=2)
    resumed = script.train(two, tmp_path / "two", whole)
    assert resumed == pytest.approx(expected, rel=1e-4)
