import errno
import os
import signal
import subprocess
import sys

import pytest

from nmt.data.stages import stage
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
