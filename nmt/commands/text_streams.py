"""Lines in and lines out: files that appear whole or not at all, standard input and output."""

import contextlib
import gzip
import io
import lzma
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TextIO

from nmt.analysis.whole_file import check_replaceable, copy_mode
from nmt.data.text_files import decoded_lines, read_lines
from nmt.errors import DataError, NmtError

STANDARD = (None, "-")  # names of standard input and output
CHUNK = 4096  # lines, or pairs of them, that are sorted by length together and written together


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
        A file that is there keeps its mode. What is no regular file, such as /dev/null or a pipe,
        is written directly.
    Raises:
      DataError: it cannot be written.
    """
    if name in STANDARD:
        if sys.stdout is None:
            raise DataError("standard output is closed")
        yield sys.stdout
        return
    if not name:
        raise DataError("the name of a file to write is wanted; got ''")
    path = Path(os.path.realpath(name))  # a link stays one
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.is_dir():
            raise DataError(f"cannot write {name}: it is a folder")
        if os.path.exists(name) and not stat.S_ISREG(os.stat(name).st_mode):
            path = beside = Path(name)  # of an open pipe the real path is no path
        check_replaceable(path)
        with (
            io.BufferedWriter(_NamedFile(beside)) as file,
            _packed(file, Path(name).suffix) as packed,
            io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as lines,
        ):
            if beside != path:
                copy_mode(path, beside)
            yield lines
        if beside != path:
            beside.replace(path)
    except OSError as error:
        if isinstance(error, BrokenPipeError) or error.filename not in (str(beside), str(path)):
            raise  # what came from elsewhere while the file was open
        raise DataError(f"cannot write {name}: {error.strerror}") from None
    finally:
        if beside != path:
            with contextlib.suppress(OSError):
                beside.unlink()


def write_lines(lines: Iterable[str], output: TextIO) -> None:
    """Writes lines, so that a reader has them at once."""
    output.writelines(f"{line}\n" for line in lines)
    output.flush()


def check_places(inputs: Mapping[str, str | None], outputs: Mapping[str, str | None]) -> None:
    """Refuses to write two texts to one place, or over a text that is read.

    Args:
      inputs: the names that are read, by what the user knows them as: "FILE", "--source".
      outputs: those that are written, likewise; None and "-" are standard input and output.
    Raises:
      NmtError: two names are one file.
    """
    read = {_place(name, "/dev/stdin"): what for what, name in inputs.items()}
    written = {}
    for what, name in outputs.items():
        place, shown = _place(name, "/dev/stdout"), "standard output" if name in STANDARD else name
        if place in written and place != os.devnull:
            raise NmtError(
                f"{written[place]} and {what} would be written to one place, {shown}; wanted two"
            )
        if place in read and os.path.isfile(place):  # a terminal may be both
            raise NmtError(
                f"{what} would replace {shown}, which is read as {read[place]}; wanted another file"
            )
        written[place] = what


def _place(name: str | None, standard: str) -> str:
    """The file that a name is of, however it is written."""
    return os.path.realpath(standard if name in STANDARD else name)


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
