"""Files that are written whole, or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from nmt.errors import DataError


def write_whole(path: Path, content: bytes, kind: str) -> None:
    """Writes a file, replacing what was there; folders that are missing are made.

    Args:
      path: where to.
      content: all of it.
      kind: what it is, for the message, such as "picture".
    Raises:
      DataError: it cannot be written; what was there before is left as it was.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise DataError(f"cannot write the {kind} {path}: {error.strerror}") from error
