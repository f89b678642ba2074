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


def test_what_is_missing_is_told_in_one_line(script, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "importlib_metadata", None)
    monkeypatch.setattr(sys, "argv", ["benchmark_joeynmt.py", "--corpus", str(tmp_path)])
    assert script.main() == 2
    said = capsys.readouterr().err
    assert said.startswith("benchmark_joeynmt: ") and said.count("\n") == 1
    assert said.endswith("; run it in an environment with joeynmt\n")
