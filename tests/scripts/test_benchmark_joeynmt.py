"""The script of another environment, in one that lacks JoeyNMT."""

import sys

import pytest


@pytest.fixture
def script(load_script, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails
    return load_script("benchmark_joeynmt")


def test_help_wants_no_torch(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmark_joeynmt.py", "--help"])
    with pytest.raises(SystemExit, match="0"):
        script.main()
    assert "--corpus" in capsys.readouterr().out


def test_a_model_that_it_does_not_have_is_refused(script, monkeypatch, capsys, tmp_path):
    arguments = ["benchmark_joeynmt.py", "--corpus", str(tmp_path), "--models", "A,C"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit, match="2"):
        script.main()
    assert capsys.readouterr().err.endswith("--models: wanted A, B or both; got 'A,C'\n")


def test_a_split_that_is_not_there_is_named(script, tmp_path):
    (tmp_path / "train.en").write_text("a line\n")
    (tmp_path / "out").mkdir()
    with pytest.raises(script.Mistake, match=f"the corpus {tmp_path} has no train.de, plain or"):
        script.write_corpus(tmp_path, tmp_path / "out", 100)


def test_what_is_missing_is_told_in_one_line(script, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "importlib_metadata", None)
    monkeypatch.setattr(sys, "argv", ["benchmark_joeynmt.py", "--corpus", str(tmp_path)])
    assert script.main() == 2
    said = capsys.readouterr().err
    assert said.startswith("benchmark_joeynmt: ") and said.count("\n") == 1
    assert said.endswith("; run it in an environment with joeynmt\n")
