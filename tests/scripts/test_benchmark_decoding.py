"""The decoding benchmark on a run of a moment: what it reports."""

import json

import pytest

from tests.tiny_runs import CONFIG, make_run


@pytest.fixture
def runs(tmp_path):
    make_run(tmp_path / "A", CONFIG)
    return tmp_path


def test_it_reports_every_beam_of_a_model(load_script, runs, monkeypatch, capsys):
    script = load_script("benchmark_decoding")
    monkeypatch.setattr(script, "matmul_gflops", lambda: 100.0)
    arguments = ["--models", "A", "--beam-sizes", "1", "--repetitions", "1", "--json"]
    assert script.main([*arguments, "--runs", str(runs)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["matmul_gflops"] == 100.0
    (result,) = report["results"]
    assert (result["model"], result["beam_size"], result["precision"]) == ("A", 1, "float32")
    assert result["sentences"] == 12 and result["sentences_per_second"] > 0
    assert result["mean_output_length"] >= 1 and result["peak_memory_mb"] > 0
