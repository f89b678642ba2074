"""A run taken up again: where its corpus lies may differ, its text may not."""

import shutil
from dataclasses import replace

import pytest

from nmt.config.schema import Config, DataConfig, VocabularyConfig
from nmt.errors import DataError, RunError
from nmt.runs.directory import RunDirectory
from nmt.training import opening
from nmt.training.opening import opened

TEXTS = {"train": ("a b c\nd e\n", "x y z\nw v\n"), "validation": ("a d\n", "x w\n")}


@pytest.fixture
def config(tmp_path):
    (tmp_path / "corpus").mkdir()
    for split, texts in TEXTS.items():
        for language, text in zip(("en", "fr"), texts, strict=True):
            (tmp_path / "corpus" / f"{split}.{language}").write_text(text)
    data = DataConfig(path=str(tmp_path / "corpus"), test=())
    return Config(data=data, vocabulary=VocabularyConfig(kind="word", size=12))


def open_and_close(config, path):
    with opened(config, path, lambda: None) as (run, prepared):
        assert len(prepared.validation.source) == 1
        return run.read_config()


def test_a_corpus_may_move(config, tmp_path):
    open_and_close(config, tmp_path / "run")
    shutil.move(tmp_path / "corpus", tmp_path / "elsewhere")
    moved = replace(config, data=replace(config.data, path=str(tmp_path / "elsewhere")))
    assert open_and_close(moved, tmp_path / "run") == moved


def test_a_place_with_another_text_or_none_is_refused_and_the_run_keeps_its_own(config, tmp_path):
    open_and_close(config, tmp_path / "run")
    shutil.copytree(tmp_path / "corpus", tmp_path / "other")
    (tmp_path / "other" / "train.fr").write_text("x y z\nw w\n")
    for place, error in [("other", RunError), ("nowhere", DataError)]:
        other = replace(config, data=replace(config.data, path=str(tmp_path / place)))
        with pytest.raises(error, match="has changed .train|no such folder"):
            open_and_close(other, tmp_path / "run")
        assert RunDirectory(tmp_path / "run").read_config() == config
    assert open_and_close(config, tmp_path / "run") == config


def test_another_process_of_another_config_is_told_before_anything_is_prepared(
    config, tmp_path, monkeypatch
):
    open_and_close(config, tmp_path / "run")
    monkeypatch.setattr(opening, "is_first", lambda: False)
    monkeypatch.setattr(opening, "first_alone", lambda action: None)
    monkeypatch.setattr(opening, "prepare", lambda *_: pytest.fail("it was prepared"))
    other = replace(config, training=replace(config.training, num_steps=77))
    with pytest.raises(RunError, match="the first process has another training.num_steps; give"):
        open_and_close(other, tmp_path / "run")
