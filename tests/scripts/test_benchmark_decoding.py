"""The decoding benchmark on a run of a moment: what it reports."""

import json

import pytest

from tests.tiny_runs import CONFIG, make_run


def test_it_reports_every_beam_of_a_model(load_script, tmp_path, monkeypatch, capsys):
    make_run(tmp_path / "A", CONFIG)
    script = load_script("benchmark_decoding")
    monkeypatch.setattr("benchmarking.products.SIZES", (16, 32))
    arguments = ["--models", "A", "--beam-sizes", "1", "--repetitions", "1", "--json"]
    assert script.main([*arguments, "--runs", str(tmp_path)]) == 0
    report = json.loads(capsys.readouterr().out)
    (result,) = report["results"]
    assert report["matmul_gflops"] == result["matmul_gflops"] > 0
    assert report["corpus"] == {"A": "embedded"}
    assert (result["model"], result["beam_size"], result["precision"]) == ("A", 1, "float32")
    assert result["sentences_per_second"] > 0
    assert result["mean_output_length"] >= 1 and report["peak_memory_mib"] > 0


def test_an_unknown_model_is_one_line(load_script, tmp_path, capsys):
    script = load_script("benchmark_decoding")
    assert script.main(["--models", "C", "--runs", str(tmp_path), "--corpus", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_of_another_corpus_is_refused_before_anything_is_trained(
    load_script, tmp_path, capsys, monkeypatch
):
    script, run = load_script("benchmark_decoding"), tmp_path / "B"
    (run / "checkpoints" / "7").mkdir(parents=True)
    (run / "config.yaml").write_text(f"data: {{path: {tmp_path / 'here'}}}\n")
    arguments = ["--models", "A,B", "--runs", str(tmp_path), "--corpus"]
    assert script.main([*arguments, str(tmp_path / "there")]) == 2
    assert capsys.readouterr().err == (
        f"benchmark_decoding: run {run} is of the corpus {tmp_path / 'here'}, not of --corpus "
        f"{tmp_path / 'there'}; choose another folder with --runs\n"
    )
    trained = []

    def train(name, options):
        trained.append(name)
        raise script.NmtError("it was to be trained")

    monkeypatch.setattr(script, "_train", train)
    monkeypatch.chdir(tmp_path)
    assert script.main([*arguments, "elsewhere/../here"]) == 2  # the same
    assert trained == ["A"]


@pytest.mark.parametrize("option", ["--beam-sizes=1,x", "--beam-sizes=0", "--repetitions=0"])
def test_numbers_are_one_or_more(load_script, capsys, option):
    assert load_script("benchmark_decoding").main([option]) == 2
    name, _, value = option.partition("=")
    assert capsys.readouterr().err == (
        f"benchmark_decoding: {name}: 1 or more is wanted; got {value.rpartition(',')[2]}\n"
    )


def test_a_python_without_ctranslate2_is_refused_before_anything_is_trained(load_script, capsys):
    script = load_script("benchmark_decoding")
    assert script.main(["--runs", "/nowhere", "--ctranslate2", "/no/python"]) == 2
    assert capsys.readouterr().err == (
        "benchmark_decoding: --ctranslate2 /no/python cannot be run: No such file or directory\n"
    )
