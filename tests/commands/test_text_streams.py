"""Files that appear whole or not at all."""

import errno
import gzip
import io
import os
import re
import sys
from pathlib import Path

import pytest

from nmt.commands.text_streams import check_places, open_output, read_text, write_lines
from nmt.data.text_files import read_lines
from nmt.errors import DataError, NmtError


@pytest.mark.parametrize("name", ["out", "out.gz", "out.zst"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError, DataError])
def test_what_fails_inside_leaves_no_file(tmp_path, name, error):
    with pytest.raises(error), open_output(str(tmp_path / name)) as output:
        output.write("half")
        raise error("x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path):
    with open_output(str(tmp_path / "out")) as output:
        output.write("é\n")
        output.flush()
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out").read_bytes() == "é\n".encode()


def test_a_file_that_is_there_keeps_its_mode_and_its_links(tmp_path):
    (tmp_path / "out").write_text("old")
    (tmp_path / "out").chmod(0o600)
    (tmp_path / "link").symlink_to("out")
    with open_output(str(tmp_path / "link")) as output:
        output.write("new\n")
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "out").read_text() == "new\n"
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600


def test_a_link_is_packed_by_its_own_name(tmp_path):
    (tmp_path / "out.gz").symlink_to("data.txt")
    with open_output(str(tmp_path / "out.gz")) as output:
        output.write("a line\n")
    assert read_lines(tmp_path / "out.gz") == ["a line"]
    assert gzip.decompress((tmp_path / "data.txt").read_bytes()) == b"a line\n"


def test_a_write_protected_file_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "out").write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # root may write anything
    with (
        pytest.raises(DataError, match="cannot write .*out: Permission denied"),
        open_output(str(tmp_path / "out")) as output,
    ):
        output.write("new\n")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_pipe_that_is_open_already_is_written_into():
    """As /dev/stdout and a shell's >(command) name one."""
    reader, writer = os.pipe()
    with open_output(f"/dev/fd/{writer}") as output:
        output.write("line\n")
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "line\n"


def test_a_file_without_a_name():
    with (
        pytest.raises(DataError, match="the name of a file to write is wanted; got ''"),
        open_output(""),
    ):
        pass


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("full", [0, 1])
def test_errors_of_files_that_are_written_together_are_told_apart(tmp_path, suffix, full):
    names = [str(tmp_path / f"{name}{suffix}") for name in ("outer", "inner")]
    Path(names[full]).symlink_to("/dev/full")
    wanted = f"cannot write {re.escape(names[full])}: No space left on device"
    with (
        pytest.raises(DataError, match=wanted),
        open_output(names[0]) as outer,
        open_output(names[1]) as inner,
    ):
        for output in (outer, inner):
            output.write("line\n")
            output.flush()
    assert not Path(names[0]).is_file()


def test_errors_from_elsewhere_are_left_as_they_are(tmp_path):
    out = str(tmp_path / "out")
    with pytest.raises(FileNotFoundError), open_output(out):
        (tmp_path / "another").read_bytes()
    with pytest.raises(OSError, match="Disk full"), open_output(out):
        raise OSError(errno.ENOSPC, "Disk full")


def test_standard_streams_that_are_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(DataError, match="standard input is closed"):
        read_text("-")
    with pytest.raises(DataError, match="standard output is closed"), open_output(None):
        pass


def test_standard_input_is_read_as_files_are(monkeypatch, tmp_path):
    content = "\ufeffa\u2028b\r\n\n\ufeffc\x0cd".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    (tmp_path / "file").write_bytes(content)
    assert read_text(None) == read_text(str(tmp_path / "file"))


def test_what_is_removed_from_standard_input_is_said_once(monkeypatch, caplog):
    content = "\ufeffa\r\nb\r\nc\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with caplog.at_level("INFO", logger="nmt"):
        assert read_text(None) == ["a", "b", "c"]
    assert caplog.messages == [
        "standard input: removed a byte order mark and the carriage return at the end of 2 lines"
    ]


def test_lines_are_there_for_a_reader_at_once(tmp_path):
    with (tmp_path / "out").open("w") as output:
        write_lines(["a", "", "b"], output)
        assert (tmp_path / "out").read_text() == "a\n\nb\n"


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """A file and a link to it, in the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("link").symlink_to("file")


def test_no_two_texts_are_written_to_one_place(in_folder):
    check_places({}, {"--output": "x", "--more": "y"})
    check_places({}, {"--output": os.devnull, "--more": os.devnull})
    for two in (("x", "./x"), ("file", "link"), (None, "-"), ("-", "/dev/stdout")):
        with pytest.raises(NmtError, match="^--output and --more would be written to one place, "):
            check_places({}, dict(zip(("--output", "--more"), two, strict=True)))


def test_no_text_is_written_over_one_that_is_read(in_folder):
    check_places({"FILE": "file", "--gold": "file"}, {"--output": "other"})
    check_places({"FILE": "gone"}, {"--output": "gone"})  # which reading will tell
    check_places({"FILE": os.devnull}, {"--output": os.devnull})
    for two in (("file", "./file"), ("file", "link"), ("link", "file")):
        with pytest.raises(NmtError, match="^--output would replace .*, which is read as FILE; "):
            check_places({"FILE": two[0]}, {"--output": two[1]})
