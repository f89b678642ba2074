"""Start-up is measured with processes of a tiny model, and its time is all divided."""

import json
from unittest.mock import Mock

import pytest
from benchmarking.corpus import TEST, TRAIN, VALIDATION
from benchmarking.timeline import Timeline, covered

from nmt.config.schema import EmbeddedConfig
from nmt.data.grammar import make_split

TINY = """
data.batch_pieces=64 data.num_shapes=2 data.max_pieces=null vocabulary.size=150
model.model_dim=8 model.feedforward_dim=8 model.num_heads=2 model.encoder_layers=1
model.decoder_layers=1 training.precision=float32 search.beam_size=2
"""
SUMS = {"total_seconds", "cpu_seconds"}


def test_moments_are_counted_once():
    spans = [(1.0, 3.0), (2.0, 4.0), (2.5, 2.75), (6.0, 9.0)]
    assert covered(spans, 0.0, 10.0) == 6.0
    assert covered(spans, 2.0, 7.0) == 3.0
    assert covered([], 0.0, 1.0) == 0.0


def test_what_the_compiler_took_is_no_stages_own_time():
    timeline = Timeline(0.0)
    timeline.marks += [("imports", 4.0), ("open", 8.0), ("run", 9.0), ("open", 16.0)]
    timeline.spans += [("trace", 3.0, 5.0), ("lower", 5.0, 6.0), ("compile or load", 5.5, 8.5)]
    seconds = timeline.seconds()
    assert seconds["imports"] == 3.0
    assert seconds["open"] == 7.0
    assert seconds["run"] == 0.5
    assert (seconds["trace"], seconds["lower"], seconds["compile or load"]) == (2.0, 0.5, 3.0)
    assert sum(seconds.values()) - seconds["total"] == seconds["total"] == 16.0


@pytest.mark.slow
def test_one_object_says_how_the_time_of_every_start_divides(
    load_script, tmp_path, monkeypatch, capsys
):
    config = EmbeddedConfig(num_train=60, num_validation=4, num_test=3, max_words=8)
    for split, name in ((TRAIN, "train"), (VALIDATION, "validation"), (TEST, "test")):
        pairs = make_split(name, config)
        for language, side in (("en", "source"), ("de", "target")):
            lines = "".join(f"{getattr(pair, side)}\n" for pair in pairs)
            (tmp_path / f"{split}.{language}").write_text(lines, encoding="utf-8")
    monkeypatch.setattr("benchmarking.products.SIZES", (16, 32))
    script = load_script("benchmark_startup")
    monkeypatch.setattr(script, "started", Mock(wraps=script.started))
    measures = ("--repetitions", "1", "--sentences", "2", "--json")
    assert not script.main(["--models", "B", "--corpus", str(tmp_path), *measures, *TINY.split()])
    found = json.loads(capsys.readouterr().out)
    assert found["matmul_gflops"] > 0
    *starts, plain, aligned = found["results"]
    assert [(start["measured"], start["cache"]) for start in starts] == [
        ("train", "cold"),
        ("train", "warm"),
        ("translate", "cold"),
        ("translate", "warm"),
    ]
    commands = [call.args[0] for call in script.started.call_args_list]
    translations = [command for command in commands if command[0] == "translate"]
    assert [command[3:] for command in translations] == [["search.beam_size=2"]] * 2
    for start in starts:
        stages = {name: v for name, v in start.items() if name.endswith("_seconds")}
        assert {"trace_seconds", "compile_or_load_seconds", "imports_seconds"} < stages.keys()
        assert all(seconds >= 0 for seconds in stages.values())
        own = sum(seconds for name, seconds in stages.items() if name not in SUMS)
        assert own == pytest.approx(stages["total_seconds"])
    assert (plain["measured"], aligned["measured"]) == ("sentence", "sentence, aligned")
    assert plain["sentence_milliseconds"] > 0 and aligned["sentence_milliseconds"] > 0


def test_a_folder_without_the_trained_runs_is_one_line_before_anything_else(
    load_script, tmp_path, monkeypatch, capsys
):
    script = load_script("benchmark_startup")
    monkeypatch.setattr(script, "untrained_run", None)
    assert script.main(["--models", "A", "--runs", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said == f"benchmark_startup: run {tmp_path / 'A'} does not exist\n"
