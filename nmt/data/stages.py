"""A stage of preparation: a folder that is there whole, or not at all, whenever one looks.

What a stage makes is written into a folder beside its place and renamed when all of it has reached
the disk. So a start after a kill, at any moment, redoes what was not finished and nothing else.
What stood there before is renamed away first and removed last: half of it is never in the place.
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
    beside, before = _beside(folder), _before(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        settle(folder)
        beside.mkdir()
        yield beside
        for path in beside.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(beside)
        if folder.exists():
            os.replace(folder, before)
        os.replace(beside, folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}") from None
    finally:
        settle(folder)


def settle(folder: Path) -> None:
    """Puts in order what a stage that was broken off, or killed, has left beside its place."""
    beside, before = _beside(folder), _before(folder)
    if before.exists() and not folder.exists():  # between the two renames
        os.replace(before, folder)
    for left in (beside, before):
        shutil.rmtree(left, ignore_errors=True)


def not_prepared(folder: Path) -> RunError:
    """The error of a process that may not make a stage itself, and does not find it whole."""
    return RunError(
        f"this process does not find what the first one has prepared in {folder}; "
        "the run must lie on a file system that all of them share"
    )


def _beside(folder: Path) -> Path:
    """Where the new one is made."""
    return folder.with_name(f".{folder.name}.partial")


def _before(folder: Path) -> Path:
    """Where the old one waits to be removed."""
    return folder.with_name(f".{folder.name}.before")


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk: without it a rename may be lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
