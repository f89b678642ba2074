"""Files that are written whole, or not at all."""

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from nmt.errors import DataError


def write_whole(path: Path, content: bytes, kind: str) -> None:
    """Writes a file, replacing what was there but for its mode; missing folders are made.

    A link stays one, and what it leads to is replaced.

    Args:
      path: where to.
      content: all of it.
      kind: what it is, for the message, such as "picture".
    Raises:
      DataError: it cannot be written; what was there before is left as it was.
    """
    real = Path(os.path.realpath(path))
    beside = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        check_replaceable(real)
        beside.touch()
        copy_mode(real, beside)
        beside.write_bytes(content)
        beside.replace(real)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise DataError(f"cannot write the {kind} {path}: {error.strerror}") from error


def check_replaceable(path: Path) -> None:
    """Raises PermissionError where a file is write-protected, which renaming does not look at."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def copy_mode(path: Path, beside: Path) -> None:
    """Gives a new file the mode of the one that it will replace, if there is one."""
    if path.exists():
        shutil.copymode(path, beside)
