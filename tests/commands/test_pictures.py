"""Where pictures can be written."""

import pytest

from nmt.commands.pictures import check_folder
from nmt.errors import DataError


def test_a_folder_that_is_there_or_can_be_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, tmp_path / "a/b/c", tmp_path.__class__("x"), tmp_path.__class__(".")):
        check_folder(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file/a/b"):
        with pytest.raises(DataError, match=f"cannot write into {folder}: .*file is no folder"):
            check_folder(folder)
    monkeypatch.setattr("os.access", lambda path, mode: False)  # the tests may run as root
    with pytest.raises(DataError, match="Permission denied"):
        check_folder(tmp_path / "a")
