"""Lines in and lines out: files that appear whole or not at all, standard input and output."""

import contextlib
import gzip
import io
import lzma
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from nmt.data.text_files import decoded_lines, read_lines
from nmt.errors import DataError

STANDARD = (None, "-")  # names of standard input and output


def read_text(name: str | None) -> list[str]:
    """All lines of a file, or of standard input for None and "-", decoded before any work.

    Raises:
      DataError: it cannot be read, or is not UTF-8; the message names file and line.
    """
    return list(iter_standard_input()) if name in STANDARD else read_lines(Path(name))


def iter_standard_input() -> Iterator[str]:
    """The lines of standard input, each as soon as it is there; strict as `read_lines` is."""
    if sys.stdin is None:
        raise DataError("standard input is closed")
    yield from decoded_lines(sys.stdin.buffer, "standard input")


def is_terminal(name: str | None) -> bool:
    """Whether a person types the lines."""
    return name in STANDARD and sys.stdin is not None and sys.stdin.isatty()


@contextlib.contextmanager
def open_output(name: str | None) -> Iterator[TextIO]:
    """A file to write lines into; it gets its name when all is written, and not after an error.

    Args:
      name: of the file, packed where it ends in .gz, .xz or .zst; None and "-" are standard output.
        What is no regular file, such as /dev/null or a named pipe, is written directly.
    Raises:
      DataError: it cannot be written.
    """
    if name in STANDARD:
        if sys.stdout is None:
            raise DataError("standard output is closed")
        yield sys.stdout
        return
    path = Path(os.path.realpath(name))  # a link stays one
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.is_dir():
            raise DataError(f"cannot write {name}: it is a folder")
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            beside = path
        with (
            io.BufferedWriter(_NamedFile(beside)) as file,
            _packed(file, path.suffix) as packed,
            io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as lines,
        ):
            yield lines
        if beside != path:
            beside.replace(path)
    except OSError as error:
        if isinstance(error, BrokenPipeError) or error.filename != str(beside):
            raise  # what came from elsewhere while the file was open
        raise DataError(f"cannot write {name}: {error.strerror}") from None
    finally:
        if beside != path:
            with contextlib.suppress(OSError):
                beside.unlink()


class _NamedFile(io.FileIO):
    """A new file whose errors say which file it is, as several may be written at a time."""

    def __init__(self, path: Path):
        super().__init__(str(path), "w")

    def write(self, data) -> int | None:
        """As FileIO does."""
        try:
            return super().write(data)
        except OSError as error:
            error.filename = self.name
            raise


def _packed(file: BinaryIO, suffix: str) -> BinaryIO:
    """A file that packs what is written into it; the same text always gives the same bytes."""
    match suffix:
        case ".gz":
            return gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)
        case ".xz":
            return lzma.open(file, "wb")
        case ".zst":
            import zstandard

            return zstandard.ZstdCompressor().stream_writer(file, closefd=False)
        case _:
            return contextlib.nullcontext(file)
