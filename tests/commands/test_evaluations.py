"""What is kept of an evaluation, and when it is good for another."""

import json
from dataclasses import replace

import pytest

from nmt.analysis.scores import score
from nmt.commands.evaluations import (
    code_fingerprint,
    evaluation_file,
    keep,
    kept_hypotheses,
    scored,
)
from nmt.commands.models import FoundCheckpoint
from nmt.config.schema import Config, DataConfig
from nmt.data.splits import Split
from nmt.runs.directory import RunDirectory, package_versions

CONFIG = Config(data=DataConfig(path="corpus", target_language="de"))
SPLIT = Split("news[:3]", ["a", "b c", ""], ["ein", "zwei drei", "x"], [[(0, 0)], [], []])
HYPOTHESES = ["ein", "zwei vier", ""]
CHECKPOINT = FoundCheckpoint(7, (), "f7", "params")


@pytest.fixture
def run(tmp_path):
    """A run that has one evaluation."""
    run = RunDirectory(tmp_path)
    keep(score_them(edges=(1,)), run)
    return run


def score_them(hypotheses=HYPOTHESES, checkpoint=CHECKPOINT, edges=None):
    return scored(hypotheses, SPLIT, checkpoint, CONFIG, precision="float32", edges=edges)


def changed_search(**changes):
    return replace(CONFIG.search, **changes)


def test_the_file_has_the_scores_and_the_texts(run):
    (file,) = run.evaluations.iterdir()
    assert file.name.startswith("news_3_.7.") and file.suffix == ".json"
    record = json.loads(file.read_text())
    expected = score(HYPOTHESES, SPLIT.target, target_language="de", tokenized=False)
    assert expected.to_dict().items() <= record.items()
    texts = record["sources"], record["hypotheses"], record["references"]
    assert texts == (SPLIT.source, HYPOTHESES, SPLIT.target)
    assert [bucket["count"] for bucket in record["by_length"]] == [2, 1]
    assert record["checkpoint_fingerprint"] == "f7"
    assert "by_length" not in score_them().to_dict()


def test_translations_are_found_again(run):
    (file,) = run.evaluations.iterdir()
    assert kept_hypotheses(run, SPLIT, CHECKPOINT, CONFIG.search) == (HYPOTHESES, "float32", file)
    same = Split(SPLIT.name, list(SPLIT.source), tuple(SPLIT.target), SPLIT.links)
    assert kept_hypotheses(run, same, CHECKPOINT, changed_search()) == (HYPOTHESES, "float32", file)


@pytest.mark.parametrize(
    "other",
    [
        {"split": replace(SPLIT, name="other")},
        {"split": replace(SPLIT, source=["a", "b d", ""])},
        {"split": replace(SPLIT, target=["ein", "zwei", "x"])},
        {"split": Split(SPLIT.name, SPLIT.source[:2], SPLIT.target[:2])},
        {"checkpoint": CHECKPOINT._replace(step=8)},
        {"checkpoint": CHECKPOINT._replace(step="average", averaged=(6, 7))},
        {"checkpoint": CHECKPOINT._replace(fingerprint="f8")},  # trained again to the same step
        {"search": changed_search(beam_size=1)},
        {"search": changed_search(length_norm=0.61)},
        {"search": changed_search(method="sample", seed=2)},
    ],
    ids=str,
)
def test_translations_of_anything_else_are_none(run, other):
    wanted = {"split": SPLIT, "checkpoint": CHECKPOINT, "search": CONFIG.search} | other
    assert kept_hypotheses(run, **wanted) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"sources": ["a", "b d", ""]},
        {"sources": None},
        {"hypotheses": HYPOTHESES[:2]},
        {"hypotheses": ["ein", None, ""]},
        {"hypotheses": ["ein", "\ud800", ""]},
        {"hypotheses": {"0": "ein", "1": "zwei", "2": ""}},
        {"checkpoint_fingerprint": None},
        {"precision": None},
        {"search": {"beam_size": 5}},
        {"code": "0123456789abcdef"},  # by another version
    ],
    ids=str,
)
def test_a_file_of_anything_else_or_not_whole_counts_for_nothing(run, changes):
    (file,) = run.evaluations.iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    assert kept_hypotheses(run, SPLIT, CHECKPOINT, CONFIG.search) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"{}", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_counts_for_nothing(run, content):
    (file,) = run.evaluations.iterdir()
    file.write_bytes(content)
    assert kept_hypotheses(run, SPLIT, CHECKPOINT, CONFIG.search) is None


def test_a_later_evaluation_takes_the_place_of_the_same_one(run):
    later = score_them(["x"] * 3, CHECKPOINT._replace(fingerprint="f8"))
    keep(later, run)
    (file,) = run.evaluations.iterdir()
    assert file == evaluation_file(run, later)
    assert json.loads(file.read_text())["hypotheses"] == ["x"] * 3


def test_what_was_asked_for_in_addition_stays_as_long_as_the_translations_do(run):
    (file,) = run.evaluations.iterdir()
    before = json.loads(file.read_text())
    more = {"unknown": {"source": 0.5}, "without_unknown": {"bleu": 7.0}}
    file.write_text(json.dumps(before | more))
    keep(score_them(), run)
    assert json.loads(file.read_text()) == before | more
    keep(score_them(edges=(2,)), run)  # asked for again
    after = json.loads(file.read_text())
    assert [bucket["count"] for bucket in after["by_length"]] == [3, 0] != before["by_length"]
    assert more.items() <= after.items()


@pytest.mark.parametrize(
    "changes",
    [
        {"hypotheses": ["ein", "zwei", ""]},
        {"references": ["ein", "zwei", "x"]},
        {"checkpoint_fingerprint": "f8"},
        {"target_language": "zh"},
        {"tokenized": True},
        {"by_length": "\ud800"},  # which could not be written again
    ],
    ids=str,
)
def test_nothing_stays_of_other_translations(run, changes):
    (file,) = run.evaluations.iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    keep(score_them(), run)
    assert "by_length" not in json.loads(file.read_text())


def test_code_is_known_by_the_files_that_translate(tmp_path, monkeypatch):
    folders = ("config", "data", "devices", "runs", "models", "decoding")

    def fingerprint(name, changed=None, text=""):
        package = tmp_path / name
        for folder in (*folders, "commands"):
            (package / folder / "deeper").mkdir(parents=True)
            (package / folder / "deeper" / "file.py").write_text("x = 1\n")
        if changed is not None:
            (package / changed).write_text(text)
        return code_fingerprint(package)

    first = fingerprint("first")
    assert fingerprint("same") == first
    assert fingerprint("elsewhere", "commands/deeper/file.py", "x = 2\n") == first
    others = [
        fingerprint(f"changed {folder}", f"{folder}/deeper/file.py", "x = 2\n")
        for folder in folders
    ]
    others.append(fingerprint("another file", "models/more.py", ""))
    versions = package_versions() | {"jax": "0.0.1"}
    monkeypatch.setattr("nmt.commands.evaluations.package_versions", lambda: versions)
    others.append(fingerprint("another library"))
    assert len({first, *others}) == len(others) + 1
