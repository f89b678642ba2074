"""Text that is made once and anew where its files change, and gold links that fit their text."""

import pytest
from alignment_tasks import task as module
from alignment_tasks.task import file_task

from nmt.errors import DataError

LANGUAGES = ("de", "en")


def write(folder, **files):
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def folders(tmp_path):
    """A corpus of three lines, gold links of two pairs, and a place for what is made of them."""
    text = {"train_de": "Ja, gut.\nNein!\nEin Haus.\n", "train_en": "Yes, fine.\nNo!\nA house.\n"}
    corpus = write(tmp_path / "raw", **text, dev_de="Gut.\n", dev_en="Fine.\n")
    gold = write(
        tmp_path / "gold",
        test_de="ein Haus\nja , gut\n",
        test_en="a house\nyes\n",
        test_talp="1-1 2-2\n1-1 3p1\n",
    )
    (tmp_path / "out").mkdir()
    return corpus, gold, tmp_path / "out"


def test_text_is_tokenised_but_that_of_the_gold_links(folders):
    task, corpus = file_task(*folders, LANGUAGES), folders[2] / "corpus"
    assert (corpus / "train.de").read_text().splitlines() == ["Ja , gut .", "Nein !", "Ein Haus ."]
    assert task.validation == (["Gut ."], ["Fine ."])
    assert task.test.source == ["ein Haus", "ja , gut"]
    assert [sorted(links.sure) for links in task.gold] == [[(0, 0), (1, 1)], [(0, 0)]]
    assert sorted(task.gold[1].possible) == [(0, 0), (2, 0)]


def test_text_is_made_anew_where_its_files_have_changed(folders, monkeypatch):
    raw, gold, out = folders
    before = file_task(*folders, LANGUAGES)
    with monkeypatch.context() as patched:
        patched.setattr(module, "tokenise", None)  # nothing is tokenised again
        assert file_task(*folders, LANGUAGES).fingerprint == before.fingerprint
    (raw / "train.de").write_text("Ja.\nNein!\nEin Haus.\n")
    after = file_task(*folders, LANGUAGES)
    assert (out / "corpus" / "train.de").read_text() == "Ja .\nNein !\nEin Haus .\n"
    (gold / "test.talp").write_text("1-1 2-2\n1-1\n")
    last = file_task(*folders, LANGUAGES)
    assert len({task.fingerprint for task in (before, after, last)}) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test.talp": "1-1 2-2\n1-1 4p1\n"}, "line 2 of the gold links: link 3-0"),
        ({"test.talp": "1-1 2-3\n1-1\n"}, "line 1 of the gold links: link 1-2"),
        ({"test.talp": "1-1\n"}, "got 1 lines for 2 source and 2 target sentences"),
        ({"test.en": "a house\n"}, "got 2 lines for 2 source and 1 target sentences"),
    ],
)
def test_gold_links_that_do_not_fit_are_told_before_anything_is_made(folders, changes, message):
    for name, text in changes.items():
        (folders[1] / name).write_text(text)
    with pytest.raises(DataError, match=message):
        file_task(*folders, LANGUAGES)
    assert list(folders[2].iterdir()) == []


def test_a_file_that_is_not_there_is_one_line(folders):
    (folders[0] / "dev.en").unlink()
    with pytest.raises(DataError, match="cannot read .*dev.en: No such file or directory"):
        file_task(*folders, LANGUAGES)
