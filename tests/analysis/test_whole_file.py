"""Files that are written whole, or not at all."""

import os
from pathlib import Path

import pytest

from nmt.analysis.whole_file import write_whole
from nmt.errors import DataError


def test_a_file_is_made_or_replaced_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "a/b/file"
    for content in (b"one", b"another\0"):
        write_whole(path, content, "page")
        assert path.read_bytes() == content
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["write_bytes", "replace"])
def test_what_was_there_stays_whole(tmp_path, monkeypatch, failing):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(self, *_):
        Path.touch(self)  # half of it is there already
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, failing, fail)
    with pytest.raises(DataError, match="cannot write the page .*file: No space left on device$"):
        write_whole(path, b"new", "page")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("file/x", "x" * 300):
        with pytest.raises(DataError, match=f"cannot write the picture .*{name}: "):
            write_whole(tmp_path / name, b"new", "picture")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_was_there_keeps_its_mode_and_its_links(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to("real")
    write_whole(link, b"new", "picture")
    assert link.is_symlink() and real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"real", "link"}


def test_a_write_protected_file_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # root may write anything
    with pytest.raises(DataError, match="cannot write the page .*file: Permission denied"):
        write_whole(tmp_path / "file", b"new", "page")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
