"""A stage of preparation: a folder that is there whole, or not at all, whenever one looks.

What a stage makes is written into a folder beside its place and renamed when all of it has reached
the disk. So a start after a kill, at any moment, redoes what was not finished and nothing else.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from nmt.errors import RunError


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Path]:
    """Gives an empty folder to write into, which takes the place of `folder` at the end.

    What was in the place before is there until then, and stays there after an error.

    Raises:
      RunError: something cannot be written: a full disk, a folder that is read-only.
    """
    beside = folder.with_name(f".{folder.name}.partial")  # one that a killed process left goes too
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        yield beside
        for path in (*beside.iterdir(), beside):
            _bring_to_disk(path)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(beside, folder)
        _bring_to_disk(folder.parent)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _bring_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
