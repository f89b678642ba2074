"""A run with vocabularies of words, from text to scores and links, as a user would make it."""

import json
import shutil

import pytest

from tests.tiny_runs import CONFIG, make_run

pytest_plugins = ["tests.command_calls"]
PAIRS = {  # as people write: Moses tells the words
    "train": [
        ("The cat sleeps!", "Le chat dort !"),
        ("A cat (small) sees it.", "Un chat (petit) le voit."),
        ("We sing.", "Nous chantons."),
        ("The zebra sleeps.", "Le zebra dort."),
    ],
    "validation": [("We see the cat.", "Nous voyons le chat.")],
    "test": [("The emu sleeps.", "Le emu dort."), ("The cat sleeps.", "Le chat dort.")],
}
WORDS = CONFIG[: CONFIG.index("vocabulary")].replace("path: embedded", "path: corpus")
WORDS = WORDS.replace("  test: [test, validation]\n", "")
WORDS += "vocabulary: {kind: word, size: 12, joint: false, tokenize: moses}\n"
WORDS += CONFIG[CONFIG.index("model") :]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a corpus."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").mkdir()
    for split, pairs in PAIRS.items():
        for side, language in enumerate(("en", "fr")):
            text = "".join(f"{pair[side]}\n" for pair in pairs)
            (tmp_path / f"corpus/{split}.{language}").write_text(text, encoding="utf-8")
    (tmp_path / "runs").mkdir()
    return tmp_path


def make_run_with_unknown(call, folder):
    """A run of the first seed whose translations have an unknown word, and these."""
    for seed in range(9):
        config = WORDS.replace("training: {", f"training: {{seed: {seed}, ")
        make_run(folder / "runs/words", config)
        translated = call("translate", "runs/words", "both").split("\n")
        if "UNK" in translated[0].split():
            return translated
        shutil.rmtree(folder / "runs/words")
    raise AssertionError("no seed gives a model that says UNK")


def test_words_from_text_to_scores_and_links(call, folder):
    (folder / "both").write_text("The emu sleeps.\n\n")
    unknown = make_run_with_unknown(call, folder)
    file = folder / "runs/words/vocabulary/source.words"
    english = file.read_text(encoding="utf-8").splitlines()
    assert english[:3] == ["words\t12\t19\tmoses\ten", ".\t3", "The\t2"]

    plain = call("evaluate", "runs/words").splitlines()
    table = call("evaluate", "runs/words", "--no-unknown").splitlines()
    (kept,) = (folder / "runs/words/evaluations").iterdir()
    shown = json.loads(kept.read_text(encoding="utf-8"))
    assert shown["unknown"] == {"source": 1 / 8, "target": 1 / 8, "sentences_without": 1}
    assert (shown["sentences"], shown["without_unknown"]["sentences"]) == (2, 1)
    assert table[2].split()[:4] == ["test,", "none", "unknown", "1"]
    assert (
        "unknown words of test: 12.50 % of the sources', 12.50 % of the references'; 1 pair has"
        in ("\n".join(table))
    )

    assert any(line.startswith("unknown words of test: ") for line in plain)

    source, target = folder / "corpus/test.en", folder / "corpus/test.fr"
    for how in ("replace", "forbid"):
        translated = call("translate", "runs/words", "both", f"search.unknown={how}").split("\n")
        assert len(translated) == 3 and translated[0] and not translated[1]
        assert "UNK" not in translated[0] and translated != unknown
    links = call("align", "runs/words", "--source", source, "--target", target).splitlines()
    assert len(links) == 2
    for line, (one, other) in zip(links, PAIRS["test"], strict=True):
        for link in line.split():  # words between white space, whatever Moses made of them
            i, j = map(int, link.split("-"))
            assert i < len(one.split()) and j < len(other.split())
