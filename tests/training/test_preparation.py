"""Preparation: what a run lacks is made, what it has is used, what does not fit is refused."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from nmt.config.schema import Config, DataConfig, VocabularyConfig
from nmt.errors import RunError
from nmt.runs.directory import RunDirectory
from nmt.training import preparation
from nmt.training.preparation import prepare

LINES = {
    "train": [("a b c", "x y z"), ("d e", "w v"), ("d e", "w v"), ("a " * 40, "x " * 40)] * 2,
    "validation": [("a d", "x w")],
    "test": [("c e", "z v")],
}


@pytest.fixture
def config(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for split, pairs in LINES.items():
        for side, language in enumerate(("en", "fr")):
            text = "".join(pair[side].strip() + "\n" for pair in pairs)
            (folder / f"{split}.{language}").write_text(text)
    return Config(
        data=DataConfig(path=str(folder), max_pieces=20),
        vocabulary=VocabularyConfig(size=16),
    )


@pytest.fixture
def run(config, tmp_path):
    return RunDirectory.create(tmp_path / "run", config)


def test_long_pairs_are_left_out_and_said(config, run, caplog):
    caplog.set_level(logging.INFO, logger="nmt")
    prepared = prepare(config, run)
    kept = sorted(set(np.concatenate([prepared.batches.indices(i) for i in range(1)]).tolist()))
    assert [i for i in kept if i >= 0] == [0, 1]  # duplicates went first
    assert "1 pairs of more than 20 pieces are left out" in caplog.text
    assert "duplicates" in caplog.text


def test_what_a_run_has_is_used_again(config, run, monkeypatch):
    first = prepare(config, run)

    def forbidden(*_, **__):
        raise AssertionError("made again")

    monkeypatch.setattr(preparation, "train_vocabularies", forbidden)
    monkeypatch.setattr(preparation.EncodedPairs, "save", forbidden)
    again = prepare(config, run)
    assert again.vocabularies.fingerprint == first.vocabularies.fingerprint
    for a, b in zip(first.batches.batch(0), again.batches.batch(0), strict=True):
        np.testing.assert_array_equal(a, b)


def test_arrays_of_another_corpus_are_made_anew(config, run):
    prepare(config, run)
    (run.data / "train" / "fingerprint.txt").write_text("of something else")
    prepare(config, run)
    assert len((run.data / "train" / "fingerprint.txt").read_text().split()) == 2


def test_a_corpus_that_changed_is_refused(config, run, tmp_path):
    prepare(config, run)
    path = tmp_path / "corpus" / "validation.fr"
    path.write_text("x q\n")
    with pytest.raises(RunError, match="the corpus of run .* has changed .validation."):
        prepare(config, run)


def test_subword_sampling_is_for_training_pairs_alone(config, tmp_path):
    plain = prepare(config, RunDirectory.create(tmp_path / "plain", config))
    assert plain.batches.sampler is None
    on = replace(config, vocabulary=VocabularyConfig(size=16, sampling=0.5))
    sampled = prepare(on, RunDirectory.create(tmp_path / "sampled", on))
    assert sampled.batches.sampler.alpha == 0.5
    texts = sampled.batches.sampler.source_texts, sampled.batches.sampler.target_texts
    assert [side[:2] for side in texts] == [["a b c", "d e"], ["x y z", "w v"]]
    for index in range(20):
        assert max(sampled.batches.shape_of(index)[1:]) <= config.data.max_pieces
    for (a, _), (b, _) in zip(plain.validation_batches, sampled.validation_batches, strict=True):
        for mine, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(mine, other)


def test_separate_vocabularies(config, tmp_path):
    config = replace(config, vocabulary=VocabularyConfig(size=10, joint=False))
    prepared = prepare(config, RunDirectory.create(tmp_path / "other", config))
    assert prepared.vocabularies.source is not prepared.vocabularies.target
