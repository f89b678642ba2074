"""Where pictures can be written."""

import os
from pathlib import Path

import pytest

from nmt.commands.pictures import check_folder, check_place
from nmt.errors import DataError


def test_a_folder_that_is_there_or_can_be_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, tmp_path / "a/b/c", Path("x"), Path(".")):
        check_folder(folder)
        check_place(folder / "file.png")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file/a/b"):
        with pytest.raises(DataError, match=f"cannot write into {folder}: .*file is no folder"):
            check_folder(folder)
    with pytest.raises(DataError, match="File name too long"):
        check_folder(tmp_path / "a" / ("x" * 300) / "b")
    with pytest.raises(DataError, match=f"cannot write {tmp_path}: it is a folder"):
        check_place(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("folder", ["/proc", "/proc/a/b"])
def test_a_folder_where_only_trying_tells(folder):
    """Permissions allow it to root, and yet there is no making a file."""
    assert os.geteuid() or os.access("/proc", os.W_OK)
    with pytest.raises(DataError, match=f"cannot write into {folder}: "):
        check_folder(Path(folder))
