"""Preparation: what a run lacks is made, what it has is used, what does not fit is refused."""

import itertools
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import unicodedata
from dataclasses import replace

import numpy as np
import pytest

from nmt.config.schema import (
    Config,
    DataConfig,
    TrainingConfig,
    ValidationConfig,
    VocabularyConfig,
)
from nmt.data import sentencepiece_training, streams
from nmt.data.piece_links import words_of_pieces
from nmt.errors import ConfigError, DataError, RunError
from nmt.runs.directory import RunDirectory
from nmt.training import preparation
from nmt.training.preparation import prepare

LINES = {
    "train": [("a b c", "x y z"), ("d e", "w v"), ("d e", "w v"), ("a " * 40, "x " * 40)] * 2,
    "validation": [("a d", "x w")],
    "test": [("c e", "z v")],
}


def write(folder, split, pairs, *, begin=b"", end=b"\n"):
    for side, language in enumerate(("en", "fr")):
        lines = (pair[side].strip().encode() + end for pair in pairs)
        (folder / f"{split}.{language}").write_bytes(begin + b"".join(lines))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for split, pairs in LINES.items():
        write(folder, split, pairs)
    return folder


@pytest.fixture
def config(folder):
    return Config(
        data=DataConfig(path=str(folder), max_pieces=20),
        vocabulary=VocabularyConfig(size=16),
    )


@pytest.fixture
def run(config, tmp_path):
    return RunDirectory.create(tmp_path / "run", config)


def files_in(run):
    """What the run holds, but for what tells of this machine, with the time of its last change."""
    files = (path for path in run.path.rglob("*") if path.is_file())
    return {
        str(path.relative_to(run.path)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in files
        if path != run.environment_file
    }


def contents(run):
    return {name: content for name, (content, _) in files_in(run).items()}


def assert_same_batches(one, other):
    assert one.batches.num_batches == other.batches.num_batches
    for index in range(3):
        for a, b in zip(one.batches.batch(index), other.batches.batch(index), strict=True):
            np.testing.assert_array_equal(a, b)
    for (a, _), (b, _) in zip(one.validation_batches, other.validation_batches, strict=True):
        for mine, theirs in zip(a, b, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_long_pairs_are_left_out_and_said(config, run, caplog):
    caplog.set_level(logging.INFO, logger="nmt")
    prepared = prepare(config, run)
    kept = sorted(set(np.concatenate([prepared.batches.indices(i) for i in range(1)]).tolist()))
    assert [i for i in kept if i >= 0] == [0, 1]  # duplicates went first
    assert "left out 1 pair of more than 20 pieces" in caplog.text
    assert "duplicates" in caplog.text


def test_endless_validation_lines_are_left_out_of_the_loss_and_said(
    config, run, folder, caplog, monkeypatch
):
    monkeypatch.setattr(preparation, "MOST_VALIDATION_PIECES", 30)
    write(folder, "validation", [("a d", "x w"), ("a " * 99, "x"), ("a " * 25, "x w")])
    prepared = prepare(config, run)
    assert len(prepared.validation) == 3  # all are translated
    assert len(prepared.validation_batches.pairs) == 2
    assert "validation: 1 of 3 pairs have more than 30 pieces and are left out" in caplog.text
    write(folder, "validation", [("a " * 99, "x")])
    other = RunDirectory.create(run.path.parent / "other", config)
    with pytest.raises(DataError, match="all 1 validation pairs have more than 30 pieces"):
        prepare(config, other)


def test_validation_text_is_rewritten_as_training_text_is_for_the_loss(config, tmp_path, folder):
    """Of decomposed letters, which no training text has once it is cleaned."""
    encoded, vocabulary = {}, VocabularyConfig(size=12)
    config = replace(config, vocabulary=vocabulary)
    for form in ("NFC", "NFD"):
        pairs = [("é a", "ç x"), ("a é d é", "x ç w ç")]
        write(folder, "train", pairs * 3)
        write(folder, "validation", [tuple(unicodedata.normalize(form, t) for t in pairs[0])])
        prepared = prepare(config, RunDirectory.create(tmp_path / form, config))
        encoded[form] = prepared.validation_batches.pairs.source.values.tolist()
        assert unicodedata.is_normalized(form, prepared.validation.source[0])  # for BLEU
    assert encoded["NFC"] == encoded["NFD"]
    assert prepared.vocabularies.source.unk_id not in encoded["NFD"]


@pytest.mark.parametrize("damage", [b"\xff\xfe", b""])
def test_notes_of_stages_that_are_no_text_are_as_good_as_none(config, run, damage):
    before = prepare(config, run)
    notes = [*run.data.glob("train/fingerprint*"), run.vocabulary / "made_from.txt"]
    assert len(notes) == 2
    for note in notes:
        note.write_bytes(damage)
    assert_same_batches(before, prepare(config, run))


@pytest.mark.parametrize(("is_first", "kind"), [(True, "bpe"), (False, "bpe"), (True, "word")])
def test_what_a_run_has_is_used_again_and_nothing_is_written(
    config, tmp_path, monkeypatch, is_first, kind
):
    config = replace(config, vocabulary=replace(config.vocabulary, kind=kind))
    run = RunDirectory.create(tmp_path / "run", config)
    first = prepare(config, run)
    before, environment = files_in(run), run.environment_file.stat().st_mtime_ns

    def forbidden(*_, **__):
        raise AssertionError("made again")

    monkeypatch.setattr(preparation, "train_vocabularies", forbidden)
    monkeypatch.setattr(preparation, "write_encoded", forbidden)
    monkeypatch.setattr(preparation, "is_first", lambda: is_first)
    again = prepare(config, run)
    assert again.vocabularies.fingerprint == first.vocabularies.fingerprint
    assert_same_batches(first, again)
    assert files_in(run) == before
    assert (run.environment_file.stat().st_mtime_ns != environment) == is_first


def calls_of_check(config, run):
    """How often `check` is called in all."""
    calls = []
    prepare(config, run, check=lambda: calls.append(None))
    return len(calls)


def test_a_preparation_that_is_broken_off_anywhere_goes_on_to_the_same_end(
    config, tmp_path, monkeypatch
):
    monkeypatch.setattr(streams, "PART_PAIRS", 3)
    monkeypatch.setattr(sentencepiece_training, "_LOOK_EVERY", None)  # one look, when it is trained
    whole = RunDirectory.create(tmp_path / "whole", config)
    expected = prepare(config, whole)
    num_calls = calls_of_check(config, RunDirectory.create(tmp_path / "counted", config))
    assert num_calls >= 5
    for last in range(1, num_calls + 1):
        run = RunDirectory.create(tmp_path / f"run{last}", config)
        left = iter(range(last))

        def check(left=left, last=last):
            if next(left) == last - 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            prepare(config, run, check)
        assert not list(run.path.rglob("*.partial"))
        assert_same_batches(prepare(config, run), expected)
        assert contents(run) == contents(whole)


KILLED = """
import os, signal, sys
from pathlib import Path
from nmt.data import streams
from nmt.runs.directory import RunDirectory
from nmt.training.preparation import prepare
streams.PART_PAIRS = 3
run, left = RunDirectory.open(sys.argv[1]), iter(range(int(sys.argv[2])))
prepare(run.read_config(), run, lambda: next(left, None) is None and os.kill(os.getpid(), 9))
"""


def test_a_preparation_that_is_killed_goes_on_to_the_same_end(config, tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "PART_PAIRS", 3)
    whole = RunDirectory.create(tmp_path / "whole", config)
    expected = prepare(config, whole)
    run = RunDirectory.create(tmp_path / "run", config)
    for calls in (1, 1, 3):  # in cleaning, in it again, and later
        command = [sys.executable, "-c", KILLED, str(run.path), str(calls)]
        assert subprocess.run(command).returncode == -signal.SIGKILL
    assert_same_batches(prepare(config, run), expected)
    assert contents(run) == contents(whole)


FULL = """
import resource, sys
from nmt.errors import RunError
from nmt.runs.directory import RunDirectory
from nmt.training.preparation import prepare
run, size = RunDirectory.open(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    prepare(run.read_config(), run)
except RunError as error:
    print(error)
"""


def test_a_disk_that_is_full_is_one_line_and_what_was_finished_stays(config, folder, run, tmp_path):
    words = ["".join(letters) for letters in itertools.product("abcde", repeat=5)]  # 3125
    write(folder, "train", [(w, w.translate(str.maketrans("abcde", "vwxyz"))) for w in words])
    for size, name in ((20_000, "cleaned"), (50_000, "train")):  # 25 kB of offsets, 75 of ids
        command = [sys.executable, "-c", FULL, str(run.path), str(size)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == (
            f"cannot write {run.data / name}: File too large\n",
            "",
        )
        assert (run.data / "cleaned").exists() == (name == "train")
        assert not list(run.path.rglob("*.partial"))


def test_another_process_writes_nothing_where_files_look_changed_to_it(
    config, run, folder, monkeypatch
):
    first = prepare(config, run)
    (run.data / "cleaning.json").unlink()
    os.utime(folder / "train.en", ns=(1, 1))
    before, environment = files_in(run), run.environment_file.read_bytes()
    monkeypatch.setattr(preparation, "is_first", lambda: False)
    assert_same_batches(prepare(config, run), first)
    assert files_in(run) == before and run.environment_file.read_bytes() == environment


@pytest.mark.parametrize("missing", ["data/cleaned", "vocabulary", "data/train"])
@pytest.mark.parametrize("damaged", [False, True])
def test_another_process_says_what_it_does_not_find(config, run, monkeypatch, missing, damaged):
    prepare(config, run)
    if damaged and missing == "vocabulary":
        (run.vocabulary / "made_from.txt").write_text("something else\n")
    elif damaged:
        (run.path / missing / "source_offsets.npy").write_bytes(b"")
    else:
        shutil.rmtree(run.path / missing)
    before = files_in(run)
    monkeypatch.setattr(preparation, "is_first", lambda: False)
    with pytest.raises(RunError) as caught:
        prepare(config, run)
    assert str(caught.value) == (
        f"this process does not find what the first one has prepared in {run.path / missing}; "
        "the run must lie on a file system that all of them share"
    )
    assert files_in(run) == before


def test_a_vocabulary_appears_with_its_note_and_on_the_disk(config, run, monkeypatch):
    synced, real = [], os.fsync

    def fsync(descriptor):
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    prepare(config, run)
    beside = run.path / ".vocabulary.partial"
    assert {str(beside / name) for name in ("joint.model", "made_from.txt")} <= set(synced)
    assert str(beside) in synced
    assert {path.name for path in run.vocabulary.iterdir()} == {"joint.model", "made_from.txt"}


def test_what_a_kill_between_two_renames_left_is_put_in_order(config, run):
    expected, before = prepare(config, run), contents(run)
    for folder in (run.data / "cleaned", run.vocabulary, run.data / "train"):
        shutil.copytree(folder, folder.with_name(f".{folder.name}.before"))
    shutil.rmtree(run.data / "train")  # renamed away, and killed
    (run.data / ".train.partial").mkdir()
    assert_same_batches(prepare(config, run), expected)
    assert contents(run) == before


def test_only_the_stage_that_is_missing_is_made(config, run, monkeypatch):
    expected = prepare(config, run)
    cleaned, encoded = run.data / "cleaned", run.data / "train"
    (encoded / "fingerprint.txt").unlink()
    monkeypatch.setattr(preparation, "train_vocabularies", None)
    before = {path: path.stat().st_mtime_ns for path in cleaned.iterdir()}
    assert_same_batches(prepare(config, run), expected)
    assert before == {path: path.stat().st_mtime_ns for path in cleaned.iterdir()}


def test_arrays_of_another_corpus_are_made_anew(config, run):
    prepare(config, run)
    (run.data / "train" / "fingerprint.txt").write_text("of something else")
    prepare(config, run)
    assert len((run.data / "train" / "fingerprint.txt").read_text().split()) == 2


def test_damaged_arrays_and_a_lost_report_are_made_anew(config, run):
    expected = prepare(config, run)
    before = contents(run)
    path = run.data / "train" / "source_offsets.npy"
    path.write_bytes(path.read_bytes()[:-8])
    (run.data / "cleaning.json").unlink()
    assert_same_batches(prepare(config, run), expected)
    assert contents(run) == before


def test_a_vocabulary_of_another_text_is_trained_anew(config, run):
    prepare(config, run)
    before = contents(run)
    (run.vocabulary / "made_from.txt").write_text("something else\n")
    (run.vocabulary / "joint.model").write_bytes(b"of something else")
    prepare(config, run)
    assert contents(run) == before
    (run.vocabulary / "made_from.txt").unlink()  # it may be one from elsewhere: it is taken
    prepare(config, run)
    assert "vocabulary/made_from.txt" not in contents(run)


def test_a_corpus_that_changed_is_refused(config, run, folder):
    prepare(config, run)
    before = contents(run)
    for split in ("validation", "train"):
        old = (folder / f"{split}.fr").read_bytes()
        (folder / f"{split}.fr").write_bytes(old.replace(b"x", b"q"))
        with pytest.raises(RunError, match=f"the corpus of run .* has changed .{split}."):
            prepare(config, run)
        assert contents(run) == before
        (folder / f"{split}.fr").write_bytes(old)
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


def test_a_byte_order_mark_and_carriage_returns_change_nothing(config, run, folder, caplog):
    expected = prepare(config, run)
    caplog.set_level(logging.INFO, logger="nmt")
    for split, pairs in LINES.items():
        write(folder, split, pairs, begin=b"\xef\xbb\xbf", end=b"\r\n")
    assert_same_batches(prepare(config, run), expected)  # the fingerprints are the same too
    said = [message for message in caplog.messages if "removed a byte order mark" in message]
    assert len(said) == 6  # once for each file, not for each line


def test_a_long_line_is_cleaned_away_and_counted(config, run, folder, caplog):
    caplog.set_level(logging.INFO, logger="nmt")
    long = [("a " * 50_000, "x y"), ("b" * 100_000, "y" * 100_000), ("c", "e\u0301" * 50_000)]
    write(folder, "train", [*LINES["train"], *long])
    prepared = prepare(config, run)
    assert "left out 1 pair of more than 20 pieces" in caplog.text  # as without them
    rules = {rule["name"]: rule["num_pairs"] for rule in preparation_report(run)["rules"]}
    assert rules["max_words"] == 3
    for index in range(3):
        assert max(prepared.batches.shape_of(index)[1:]) <= config.data.max_pieces


def preparation_report(run):
    return json.loads((run.data / "cleaning.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_characters_without_width_are_learned_and_read_back(config, folder, tmp_path, kind):
    odd = ["a\u200bb", "a\ufeffb", "a\u00adb", "👨\u200d👩\u200d👧", "q\u0323\u0301", "\u200b"]
    write(folder, "train", [(f"{a} {b}", f"{b} {a}") for a in odd for b in odd])
    config = replace(config, vocabulary=VocabularyConfig(size=18, kind=kind))
    prepared = prepare(config, RunDirectory.create(tmp_path / "run", config))
    vocabulary = prepared.vocabularies.source
    for text in odd:
        assert vocabulary.decode(vocabulary.encode(text)) == text
        assert vocabulary.unk_id not in vocabulary.encode(text)


def test_a_corpus_smaller_than_a_batch(config, folder, tmp_path):
    write(folder, "train", [("a b c d e", "x y z v w")])
    config = replace(config, vocabulary=VocabularyConfig(size=16, character_coverage=0.99))
    prepared = prepare(config, RunDirectory.create(tmp_path / "run", config))
    assert prepared.batches.num_batches == 1
    batch = prepared.batches.batch(7)
    assert batch.target_mask.any(1).tolist() == [True] + [False] * (len(batch.target_mask) - 1)


def test_empty_lines_stay_aligned(config, run, folder):
    pairs = [("", "x y"), ("a b c", "x y z"), ("d", ""), ("", ""), ("d e", "w v")]
    write(folder, "train", pairs)
    prepared = prepare(config, run)
    ids = prepared.batches.pairs
    decode = [vocabulary.decode for vocabulary in prepared.vocabularies]
    kept = [(decode[0](ids.source[i]), decode[1](ids.target[i])) for i in range(len(ids))]
    assert kept == [("a b c", "x y z"), ("d e", "w v")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.en", b"a\nb\0\n", "train.en, line 2: a NUL character is not text"),
        ("train.fr", b"a\n\xff\n", "train.fr, line 2: wanted UTF-8"),
        ("train.fr", b"a\n", "has 8 lines and .*train.fr has 1"),
        ("validation.fr", b"a\0\n", "validation.fr, line 1: a NUL character is not text"),
        ("test.en", b"", "test.en has 0 lines and .*test.fr has 1"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_no_text(config, run, folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        prepare(config, run)
    assert "\n" not in str(caught.value)
    assert list(run.data.rglob("*")) == []


def test_a_vocabulary_too_large_names_the_largest_and_what_is_cleaned_is_kept(config, run):
    large = replace(config, vocabulary=VocabularyConfig(size=5000))
    with pytest.raises(ConfigError, match="it allows at most"):
        prepare(large, run)
    assert (run.data / "cleaned").is_dir() and not run.vocabulary.exists()


LINKS = [["0-0", "1-1"], ["1-0"], ["1-0"], [], ["2-0"], ["0-1", "0-0"], ["1-0"], []]


def guided(config, **data):
    return replace(
        config,
        data=replace(config.data, **data),
        training=TrainingConfig(alignment_weight=0.5),
    )


def linked_words(prepared, index):
    """The linked words of each pair of a batch, from the linked pieces."""
    batch, vocabularies = prepared.batches.batch(index), prepared.vocabularies
    for row in range(len(batch.source)):
        source = words_of_pieces(batch.source[row], vocabularies.source)
        target = words_of_pieces(batch.target_out[row], vocabularies.target)
        pairs = np.argwhere(batch.links[row])
        yield sorted({(int(source[s]), int(target[t])) for t, s in pairs})


def test_links_of_the_corpus_guide_the_pairs_that_they_belong_to(config, folder, tmp_path):
    lines = [" ".join(links) for links in LINKS]
    (folder / "train.links").write_text("".join(f"{line}\n" for line in lines))
    config = guided(config, links="links")
    prepared = prepare(config, RunDirectory.create(tmp_path / "guided", config))
    pairs = [i for i in prepared.batches.indices(0).tolist() if i >= 0]
    # The third and later pairs are repetitions, whose links go with them, or too long.
    by_hand = {0: [(0, 0), (1, 1)], 1: [(1, 0)]}
    assert sorted(pairs) == sorted(by_hand)
    assert list(linked_words(prepared, 0))[: len(pairs)] == [by_hand[i] for i in pairs]


def test_the_aer_of_a_split_without_links_is_refused(config, tmp_path):
    config = replace(config, validation=ValidationConfig(aer=True))
    with pytest.raises(DataError, match="validation.aer needs links of split 'validation'"):
        prepare(config, RunDirectory.create(tmp_path / "run", config))


def test_gold_of_the_validation_split_may_stand_alone(config, folder, tmp_path):
    (folder / "validation.marks").write_text("0-0 1p1\n")
    config = replace(
        config,
        data=replace(config.data, gold="marks"),
        validation=ValidationConfig(aer=True),
    )
    prepared = prepare(config, RunDirectory.create(tmp_path / "run", config))
    (gold,) = prepared.validation_gold
    assert (gold.sure, gold.possible) == ({(0, 0)}, {(0, 0), (1, 1)})
    assert prepared.batches.batch(0).links is None
