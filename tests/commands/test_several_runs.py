"""Calls that name several runs."""

import os

import pytest

from nmt.commands.several_runs import check_different, check_same_languages, of_run
from nmt.config.schema import Config, DataConfig
from nmt.errors import DataError, NmtError


def test_a_mistake_is_of_one_of_several_runs():
    with pytest.raises(NmtError, match="^b: wrong$"), of_run("b", ["a", "b"]):
        raise DataError("wrong")
    with pytest.raises(DataError, match="^wrong$"), of_run("a", ["a"]):
        raise DataError("wrong")
    with pytest.raises(ZeroDivisionError), of_run("b", ["a", "b"]):
        raise ZeroDivisionError


def test_a_run_under_another_name_is_no_other_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("a")
    os.symlink("a", "link")
    check_different(["a", "b", "a/b"])
    for name in ("a", "./a", "a/", "b/../a", "link", str(tmp_path / "a")):
        with pytest.raises(NmtError, match=f"^run {name} is given twice"):
            check_different(["a", "b", name])


def test_runs_of_other_languages():
    def config(source, target):
        data = DataConfig(path="corpus", source_language=source, target_language=target)
        return Config(data=data)

    check_same_languages(["x", "y"], [config("de", "en")] * 2)
    with pytest.raises(NmtError, match="pair of languages .* x translates de-en and z en-de"):
        check_same_languages(["x", "y", "z"], [config("de", "en")] * 2 + [config("en", "de")])
