import errno
import os
import signal
import subprocess
import sys

import pytest

from nmt.data import stages
from nmt.data.stages import settle, stage, sync_folder
from nmt.errors import RunError

KILLED = """
import os, signal, sys
from pathlib import Path
from nmt.data.stages import stage
with stage(Path(sys.argv[1])) as beside:
    (beside / "new").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_whole_and_takes_the_place_of_another(tmp_path):
    folder = tmp_path / "data" / "x"
    for name in ("first", "second"):
        with stage(folder) as beside:
            (beside / name).write_text("")
            assert not (folder / name).exists()
        assert names(folder) == [name] and names(folder.parent) == ["x"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_leaves_what_was_there(tmp_path, error):
    with stage(tmp_path / "x") as beside:
        (beside / "old").write_text("")
    with pytest.raises(error), stage(tmp_path / "x") as beside:
        (beside / "new").write_text("")
        raise error
    assert names(tmp_path) == ["x"] and names(tmp_path / "x") == ["old"]


def test_a_kill_leaves_what_was_there_and_the_next_begins_anew(tmp_path):
    folder = tmp_path / "x"
    for expected in ([], ["y"]):
        done = subprocess.run([sys.executable, "-c", KILLED, str(folder)])
        assert done.returncode == -signal.SIGKILL
        assert (names(folder) if folder.exists() else []) == expected
        with stage(folder) as beside:
            assert names(beside) == []
            (beside / "y").write_text("")
    assert names(tmp_path) == ["x"]


def test_a_full_disk_is_one_line(tmp_path):
    with pytest.raises(RunError) as caught, stage(tmp_path / "x"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value) == f"cannot write {tmp_path / 'x'}: No space left on device"
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write .*: "), stage(tmp_path / "file" / "x"):
        pass


KILLED_AT = """
import os, shutil, signal, sys
from pathlib import Path
from nmt.data import stages
folder, left = Path(sys.argv[1]), iter(range(int(sys.argv[2])))

def killing(real):
    def wrapped(path, *rest, **options):
        if Path(path).exists() and next(left, None) is None:
            if real is rmtree:
                next(Path(path).iterdir()).unlink()  # in the middle of it
            os.kill(os.getpid(), signal.SIGKILL)
        return real(path, *rest, **options)
    return wrapped

rmtree = shutil.rmtree
shutil.rmtree, os.replace = killing(rmtree), killing(os.replace)
with stages.stage(folder) as beside:
    for name in ("new 1", "new 2"):
        (beside / name).write_text("")
"""


@pytest.mark.parametrize("calls", range(4))
def test_a_kill_while_one_takes_the_place_of_another_shows_one_of_them_whole(tmp_path, calls):
    folder = tmp_path / "x"
    with stage(folder) as beside:
        for name in ("old 1", "old 2"):
            (beside / name).write_text("")
    done = subprocess.run([sys.executable, "-c", KILLED_AT, str(folder), str(calls)])
    assert done.returncode == (-signal.SIGKILL if calls < 3 else 0)
    old, new = ["old 1", "old 2"], ["new 1", "new 2"]
    assert (names(folder) if folder.exists() else None) in (old, new, None)
    settle(folder)
    assert names(tmp_path) == ["x"] and names(folder) == (old if calls < 2 else new)


def test_an_old_folder_that_cannot_be_removed_is_not_in_the_place(tmp_path, monkeypatch):
    with stage(tmp_path / "x") as beside:
        (beside / "old").write_text("")

    def refuse(path, **options):
        if path.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stages.shutil, "rmtree", refuse)
        with stage(tmp_path / "x") as beside:
            (beside / "new").write_text("")
    assert names(tmp_path / "x") == ["new"]
    settle(tmp_path / "x")
    assert names(tmp_path) == ["x"]


def test_an_error_between_the_two_renames_brings_the_old_folder_back(tmp_path, monkeypatch):
    with stage(tmp_path / "x") as beside:
        (beside / "old").write_text("")
    real, calls = os.replace, []

    def replace(source, target):
        calls.append(source)
        if len(calls) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(source, target)

    monkeypatch.setattr(stages.os, "replace", replace)
    with pytest.raises(RunError, match="Input/output error"), stage(tmp_path / "x") as beside:
        (beside / "new").write_text("")
    assert names(tmp_path) == ["x"] and names(tmp_path / "x") == ["old"]


def test_files_and_names_are_brought_to_the_disk_before_the_folder_appears(tmp_path, monkeypatch):
    synced, real = [], os.fsync

    def fsync(descriptor):
        synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), (tmp_path / "x").exists()))
        real(descriptor)

    monkeypatch.setattr(stages.os, "fsync", fsync)
    with stage(tmp_path / "x") as beside:
        (beside / "file").write_text("content")
    assert synced == [
        (str(beside / "file"), False),
        (str(beside), False),
        (str(tmp_path), True),
    ]
    sync_folder(tmp_path)
    assert len(synced) == 4
