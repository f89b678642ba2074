"""Input that is wrong is refused with one clear line and status 2, and nothing is half-written.

The rows are in input_cases/; `python scripts/show_input_cases.py` prints each with its message.
"""

import shlex
import shutil

import pytest

from nmt.cli import main
from nmt.runs.directory import RunDirectory
from tests.input_cases import FILES, calls, configs, corpora, links, make_files, runs
from tests.tiny_runs import listing

pytest_plugins = ["tests.command_calls"]
CASES = [*calls.CASES, *configs.CASES, *corpora.CASES, *links.CASES, *runs.CASES]


@pytest.fixture
def folder(tmp_path, monkeypatch, trained):
    """A working folder with the files that all cases start from."""
    monkeypatch.chdir(tmp_path)
    make_files(tmp_path, FILES)
    shutil.copytree(trained, "runs/good")
    shutil.copy(trained.with_suffix(".yaml"), "good.yaml")
    return tmp_path


@pytest.fixture
def refused(folder, mistake):
    """Calls a command that must be refused and must leave every file as it was."""

    def refused(line, says, *, logged=False):
        before = listing(folder)
        message = mistake(*shlex.split(line), logged=logged)
        for part in says.split(" | "):
            assert part in message
        assert listing(folder) == before
        return message

    return refused


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_wrong_input_is_refused(case, folder, refused):
    make_files(folder, case.files)
    refused(case.line, case.says, logged=case.logged)


def test_there_are_many_cases_and_no_two_have_one_name():
    assert len({case.name for case in CASES}) == len(CASES) >= 75


def test_a_run_in_use(folder, refused):
    with RunDirectory("runs/good").locked():
        refused("train good.yaml --run runs/good", "run runs/good is in use by process")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"one\ntw\xff\n", "standard input, line 2: wanted UTF-8; got byte 0xFF at byte 3"),
        (b"one\n\0\n", "standard input, line 2 | NUL"),
        ("one\n".encode("utf-16"), "standard input, line 1: wanted UTF-8"),
    ],
    ids=["no UTF-8", "NUL", "UTF-16"],
)
def test_standard_input(folder, refused, typed, content, says):
    typed(content)
    refused("translate runs/good", says)


def test_the_largest_legal_vocabulary_is_legal(folder, refused, monkeypatch):
    """What the message allows at most is accepted, and one more is not."""
    from nmt.config.reader import read_config
    from nmt.data.sentencepiece_training import train_model

    message = refused("train c.yaml vocabulary.size=4000", "it allows at most", logged=True)
    largest = int(message.split("at most ")[1].split(";")[0])
    lines = [line for side in ("en", "fr") for line in FILES[f"corpus/train.{side}"].splitlines()]
    config = read_config("c.yaml", [f"vocabulary.size={largest}"])
    assert train_model(lines, config.vocabulary)
    refused(f"train c.yaml vocabulary.size={largest + 1}", f"at most {largest}", logged=True)


def test_a_refused_run_leaves_no_folder(folder, refused):
    refused("train c.yaml vocabulary.size=4000", "at most", logged=True)
    assert not (folder / "runs" / "c").exists()
    assert main(["train", "c.yaml", "data.path=gone/"]) == 2
    assert not (folder / "runs" / "c").exists()
