"""Input that is odd but legal works, and what a stranger's files could do, they do not.

`python scripts/show_input_cases.py` prints these cases too.
"""

import json
import os
import pickle
import unicodedata
from pathlib import Path

import numpy as np
import pytest

import nmt
from nmt.cli import main
from nmt.data.text_files import read_lines
from tests.input_cases import FILES, make_files
from tests.tiny_runs import CONFIG, LINES, listing

pytest_plugins = ["tests.command_calls"]
LONG = " ".join(["the small dog sees the house ."] * 3400)  # more than 100,000 characters
TEXT = "".join(f"{line}\n" for line in LINES)
BOM = "\ufeff"


@pytest.fixture
def folder(tmp_path, monkeypatch, run):
    """A working folder with a corpus, a config, and a run at `run`."""
    monkeypatch.chdir(tmp_path)
    make_files(tmp_path, FILES)
    (tmp_path / "run").symlink_to(run)  # a link is as good as what it points to
    return tmp_path


@pytest.fixture
def works(capfd, record_property):
    """Calls a command that must succeed; returns what it printed and what it said."""

    def works(*arguments):
        status = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        record_property("status", status)
        record_property("message", f"{out.count(chr(10))} lines out; {' '.join(err.split())[:200]}")
        record_property("said", out + err)
        assert status == 0, err
        return out, err

    return works


# ---- translate


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (TEXT.removesuffix("\n"), ""),
        (BOM + TEXT, "removed a byte order mark\n"),
        (TEXT.replace("\n", "\r\n"), "removed the carriage return at the end of 5 lines\n"),
        (BOM + TEXT.replace("\n", "\r\n"), "removed a byte order mark and the carriage"),
        (TEXT.replace(" ", "\u3000\t"), ""),
        (unicodedata.normalize("NFD", TEXT), ""),
    ],
    ids=[
        "no last line end",
        "a byte order mark",
        "CRLF",
        "a byte order mark and CRLF",
        "other white space",
        "letters and accents apart",
    ],
)
@pytest.mark.parametrize("standard", [True, False], ids=["standard input", "file"])
def test_odd_text_is_translated_as_plain_text(folder, works, typed, texts, content, said, standard):
    typed(content.encode())
    (folder / "odd text.txt").write_bytes(content.encode())
    out, err = works("translate", "run", *([] if standard else ["odd text.txt"]))
    assert out == "".join(f"{text}\n" for text in texts)
    assert said in err and err.count("\n") == bool(said)  # said once


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("", 0),
        ("\n", 1),
        ("\n\n \n\t\n", 4),
        ("zero\u200bwidth jo\u200din\u2060er \u200f\n", 1),
        ("e\u0301\u0302\u0303\u0304" * 9 + "\n", 1),
        ("\u0301 alone\n", 1),
        ("the cat \u2028 sleeps\x0c.\x85\x1b[2J\n", 1),
        ("猫が眠る。🐈‍⬛ 𝒳 \U0010ffff\n", 1),
        ("\ufffd\ufffe\n", 1),
    ],
    ids=[
        "nothing",
        "an empty line",
        "white space",
        "zero width",
        "many accents",
        "an accent alone",
        "controls",
        "other scripts",
        "no characters",
    ],
)
def test_as_many_lines_come_out_as_go_in(folder, works, typed, content, lines):
    typed(content.encode())
    out, err = works("translate", "run")
    assert out.count("\n") == len(out.splitlines()) == lines and err == ""
    if not content.strip():
        assert out == "\n" * lines


@pytest.mark.parametrize("line", [LONG, "x" * 100_000], ids=["words", "one word"])
def test_a_line_of_100000_characters_is_translated_in_parts(folder, works, typed, texts, line):
    typed(f"{line}\n{LINES[0]}\n".encode())
    overrides = ["search.max_length_factor=0", "search.max_length_extra=2", "search.beam_size=1"]
    out, _ = works("translate", "run", *overrides)
    assert out.count("\n") == 2
    parts = nmt.load("run")._parts(line)
    assert len(parts) > 9 and "".join(parts).replace(" ", "") == line.replace(" ", "")


def test_names_with_spaces_links_and_other_scripts(folder, works, run, texts):
    (folder / "my texts").mkdir()
    (folder / "my texts" / "été 猫.txt").write_text(TEXT)
    (folder / "link.txt").symlink_to("my texts/été 猫.txt")
    works("translate", "./run/.", "link.txt", "--output", "my texts/out put.txt")
    assert read_lines(Path("my texts/out put.txt")) == texts
    long_override = "search.max_length_extra=" + "0" * 390 + "5"
    assert works("translate", run, "my texts/été 猫.txt", long_override)[0].splitlines() == texts


def test_a_run_whose_name_has_a_line_end(folder, works, run, texts, typed):
    os.symlink(run, "a\nb")
    typed(TEXT.encode())
    assert works("translate", "a\nb")[0].splitlines() == texts


def test_evaluate_takes_odd_files(folder, works):
    (folder / "a.txt").write_bytes((BOM + TEXT.replace("\n", "\r\n")).encode())
    (folder / "b.txt").write_text(TEXT.removesuffix("\n"))
    plain, _ = works("evaluate", "run", "--source", "b.txt", "--reference", "b.txt", "--json")
    odd, err = works("evaluate", "run", "--source", "a.txt", "--reference", "a.txt", "--json")
    assert json.loads(odd) | {"split": ""} == json.loads(plain) | {"split": ""}
    assert err.count("a.txt: removed a byte order mark and the carriage return") >= 1


# ---- train


def records(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_training_on_one_pair(folder, works):
    """A corpus smaller than a batch, in a config with an empty section and comments."""
    make_files(
        folder,
        {
            "corpus/train.en": "a red door",  # without a line end
            "corpus/train.fr": "une porte rouge\n",
            "c.yaml": BOM + FILES["c.yaml"].replace("40", "25") + "search:\n  # all as it is\n",
        },
    )
    works("train", "c.yaml", "--run", "new/run of one")
    assert records(folder / "new" / "run of one")[-1]["step"] == 2


def test_training_on_odd_text(folder, works):
    """A BOM, CRLF, an empty line, zero width, accents apart, and a line of 100,000 characters."""
    english = FILES["corpus/train.en"] + "\ncafe\u0301 \u200bzero\n" + "x" * 100_000 + "\n" + LONG
    french = FILES["corpus/train.fr"] + "\ncaf\u00e9 z\u00e9ro\u200d\ncourt\n" + LONG
    odd = {"en": BOM + english.replace("\n", "\r\n"), "fr": french}
    make_files(folder, {f"corpus/train.{side}": text for side, text in odd.items()})
    _, err = works("train", "c.yaml", "vocabulary.size=50")
    assert err.count("corpus/train.en: removed a byte order mark and the carriage return") == 1
    report = json.loads((folder / "runs/c/data/cleaning.json").read_text())
    removed = {rule["name"]: rule["num_pairs"] for rule in report["rules"] if rule["removes"]}
    assert (report["pairs_in"], report["pairs_out"], removed["empty"]) == (8, 5, 1)
    assert removed["max_words"] == 2  # the word of 100,000 letters, and the line of as many


# ---- trust


@pytest.fixture
def elsewhere(tmp_path_factory):
    """A folder outside any run, with a file to lose."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "precious.txt").write_text("precious")
    return folder


@pytest.mark.parametrize("name", ["evaluations", "alignments"])
def test_evaluate_refuses_a_run_with_a_link_out_of_it(folder, run, elsewhere, mistake, name):
    (run / name).symlink_to(elsewhere)
    before = listing(elsewhere)
    message = mistake("evaluate", "run", "--split", "test", "--alignments", "1")
    assert f"{name} is a link that leads out of the run, to {elsewhere}" in message
    assert listing(elsewhere) == before


@pytest.mark.parametrize(
    "name",
    ["checkpoints", "translations", "data", "tensorboard", "metrics.jsonl", "log.txt"]
    + [".config.yaml.tmp", ".lock", "environment.json", ".environment.json.tmp"],
)
def test_train_refuses_a_run_with_a_link_out_of_it(folder, run, elsewhere, mistake, name):
    place = run / name
    if place.is_dir():
        place.rename(elsewhere / name)
    place.unlink(missing_ok=True)
    place.symlink_to(
        elsewhere / name if (elsewhere / name).exists() else elsewhere / "precious.txt"
    )
    (folder / "tiny.yaml").write_text(CONFIG)
    before = listing(elsewhere)
    message = mistake("train", "tiny.yaml", "training.num_steps=5", "--run", "run", logged=True)
    assert name in message and "link" in message
    assert listing(elsewhere) == before


def test_names_of_splits_stay_within_the_run(folder, run, works):
    """A split of any name is kept below RUN/evaluations."""
    make_files(folder, {"..%2f.en": "a cat\n", "..%2f.fr": "un chat\n"})
    overrides = ["data.path=.", "data.test=..%2f"]
    before = listing(folder)
    works("evaluate", "run", *overrides)
    assert listing(folder) == before
    assert [path.name.count("..") for path in (run / "evaluations").iterdir()] == [0]


class Executes:
    """Makes a file where it is unpickled."""

    def __reduce__(self):
        return (open, ("EXECUTED", "w"))


def test_nothing_in_a_run_or_a_corpus_is_executed(folder, works, capfd):
    works("train", "c.yaml", "--run", "new")
    payload = np.array([Executes()], dtype=object)
    arrays = sorted(Path("new/data/train").glob("*.npy"))
    assert len(arrays) == 4
    for path in arrays:
        np.save(path, payload, allow_pickle=True)
    for name in ("checkpoints/2/params/x.pkl", "vocabulary/joint.pkl", "data/train/state.pkl"):
        Path("new", name).write_bytes(pickle.dumps(Executes()))
    script = "open('EXECUTED', 'w')\n"
    for name in ("corpus.py", "conftest.py", "__init__.py", "sitecustomize.py", "dataset.py"):
        Path("corpus", name).write_text(script)
    for name in ("jax.py", "datasets.py", "yaml.py"):
        Path("new", name).write_text(script)
    for line in (
        ["translate", "new", "text.txt"],
        ["translate", "new", "text.txt", "--checkpoint", "2"],
        ["evaluate", "new", "--split", "test"],
        ["evaluate", "new", "--split", "train", "data.path=corpus"],
    ):
        assert main(line) in (0, 2)
        assert "Traceback" not in capfd.readouterr().err
    Path("new/checkpoints/2/params/x.pkl").unlink()  # with it the checkpoint is a damaged one
    _, err = works("train", "c.yaml", "--run", "new", "training.num_steps=3")
    assert "source_values.npy cannot be read as an array" in err, err
    assert "resuming at step 2" in err, err
    assert not list(folder.rglob("EXECUTED"))


def test_a_dataset_with_a_script_is_refused(folder, mistake):
    """A folder of scripts and a card, as a loading script was once run from."""
    (folder / "corpus").rename("text")
    make_files(
        folder,
        {
            "corpus/corpus.py": "open('EXECUTED', 'w')\n",
            "corpus/README.md": "---\nconfigs:\n- config_name: x\n  data_files: corpus.py\n---\n",
        },
    )
    mistake("train", "c.yaml", logged=True)
    assert not (folder / "EXECUTED").exists()
