"""Parallel text, .tsv and .jsonl, plain or as .gz, .xz or .zst: strict, fast, nothing heavy.

A line ends at "\\n" and nowhere else: `str.splitlines` would also cut at a form feed or at U+2028
inside a sentence, and shift every later line against its translation. What is removed of a file,
a byte order mark or the "\\r" of "\\r\\n", is said in one line of the log.
"""

import gzip
import io
import json
import logging
import lzma
import zlib
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from nmt.data.columns import Columns, LinkLine, TextRow, check_column, some_linked
from nmt.data.splits import Split
from nmt.data.streams import Pair, in_parts, joined
from nmt.errors import DataError

logger = logging.getLogger(__name__)

COMPRESSIONS = (".gz", ".xz", ".zst")
TRANSLATION = "translation"  # the column that holds a {language: text} dict in many datasets
_BOM = b"\xef\xbb\xbf"
_BUFFER = 1 << 20


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file without their ends ("\\n" or "\\r\\n") and without a BOM.

    Args:
      path: plain, .gz, .xz or .zst.
    Raises:
      DataError: the file is missing, damaged or not UTF-8; the message names file and line.
    """
    return list(iter_lines(path))


def iter_lines(path: Path) -> Iterator[str]:
    """`read_lines`, one at a time."""
    return decoded_lines(_iter_raw_lines(path), str(path))


def decoded_lines(raw_lines: Iterable[bytes], name: str) -> Iterator[str]:
    """Lines as text, without their ends and a BOM; what was removed is said once.

    Args:
      raw_lines: as a binary file gives them.
      name: what messages call it.
    Raises:
      DataError: a line is not UTF-8, or has a NUL byte.
    """
    has_mark, num_returns = False, 0
    try:
        for number, line in enumerate(raw_lines, 1):
            if number == 1 and line.startswith(_BOM):
                has_mark, line = True, line.removeprefix(_BOM)
            line = line.removesuffix(b"\n")
            if line.endswith(b"\r"):
                num_returns, line = num_returns + 1, line[:-1]
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{name}, line {number}: wanted UTF-8; "
                    f"got byte 0x{line[error.start]:02X} at byte {error.start + 1} of the line"
                ) from None
            if "\0" in text:
                raise _nul_error(f"{name}, line {number}")
            yield text
    finally:
        _say_what_was_removed(name, has_mark, num_returns)


def _say_what_was_removed(name: str, has_mark: bool, num_returns: int) -> None:
    removed = ["a byte order mark"] if has_mark else []
    if num_returns:
        removed.append(f"the carriage return at the end of {_lines(num_returns)}")
    if removed:
        logger.info("%s: removed %s", name, " and ".join(removed))


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def check_no_nul(text: str, place: str) -> None:
    """Raises DataError for a NUL character: it comes of damage, or of another encoding."""
    if "\0" in text:
        raise _nul_error(place)


def _nul_error(place: str) -> DataError:
    return DataError(f"{place}: a NUL character is not text; wanted a line without one")


def _iter_raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with open_bytes(path) as file:
            yield from file
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder; wanted a file") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read, damaged or incomplete: {reason}") from None


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Opens a file for reading bytes, decompressing what ends in .gz, .xz or .zst."""
    match Path(path).suffix:
        case ".gz":
            return io.BufferedReader(gzip.open(path), _BUFFER)
        case ".xz":
            return io.BufferedReader(lzma.open(path), _BUFFER)
        case ".zst":
            return io.BufferedReader(_ZstdFile(path), _BUFFER)
        case _:
            return open(path, "rb", buffering=_BUFFER)


class _ZstdFile(io.RawIOBase):
    """The bytes of a .zst file; zstandard's own reader takes a file cut short for a whole one."""

    def __init__(self, path: Path):
        import zstandard

        self._decompressor, self._error = zstandard.ZstdDecompressor(), zstandard.ZstdError
        self._file = open(path, "rb")  # noqa: SIM115 (closed by `close`)
        self._frame = None
        self._packed, self._unpacked = b"", memoryview(b"")

    def readable(self) -> bool:
        """True: this is how BufferedReader asks."""
        return True

    def readinto(self, buffer) -> int:
        """Fills `buffer` as far as the next piece of the file goes; 0 at the end."""
        while not self._unpacked:
            self._packed = self._packed or self._file.read(1 << 16)
            if not self._packed:
                if self._frame is not None and not self._frame.eof:
                    raise EOFError("it ends in the middle of a frame")
                return 0
            self._unpack()
        size = min(len(buffer), len(self._unpacked))
        buffer[:size], self._unpacked = self._unpacked[:size], self._unpacked[size:]
        return size

    def _unpack(self) -> None:
        if self._frame is None or self._frame.eof:  # a file may be several frames in a row
            self._frame = self._decompressor.decompressobj()
        try:
            self._unpacked = memoryview(self._frame.decompress(self._packed))
        except self._error as error:
            raise OSError(str(error)) from None
        self._packed = self._frame.unused_data

    def close(self) -> None:
        """Closes the compressed file too."""
        self._file.close()
        super().close()


def text_if_whole(path: Path) -> str | None:
    """What a small file of ours says; None where it is not there, or is no UTF-8 text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def read_parallel(name: str, source: Path, target: Path) -> Split:
    """A split from two files; line i of both is the same sentence.

    Raises:
      DataError: the files differ in their number of lines.
    """
    return joined(name, in_parts(name, iter_parallel(source, target)))


def iter_parallel(source: Path, target: Path, links: Path | None = None) -> Iterator[TextRow]:
    """The pairs of two files, or three; that one of them ends early is an error at its end.

    Raises:
      DataError: the files differ in their number of lines.
    """
    paths = [source, target] + ([] if links is None else [links])
    files = [iter_lines(path) for path in paths]
    for number, row in enumerate(zip_longest(*files), 1):
        if None in row:  # what is left is counted here, as a pipe cannot be read again
            lines = (number - (line is None) for line in row)
            raise _misaligned(
                paths, [n + sum(1 for _ in file) for n, file in zip(lines, files, strict=True)]
            )
        yield row if links is None else _linked(*row, f"{links}, line {number}")


def _misaligned(paths: list[Path], counts: list[int]) -> DataError:
    """Of files that differ in their number of lines: source, target and perhaps links."""
    if counts[0] != counts[1]:
        other, must = 1, "line i of both must be the same sentence"
    else:
        other, must = 2, "line i must hold the links of pair i"
    return DataError(
        f"{paths[0]} has {_lines(counts[0])} and {paths[other]} has {counts[other]}; {must}"
    )


def _linked(source: str, target: str, links: str, place: str) -> TextRow:
    return source, target, LinkLine(links, place)


def iter_tsv(path: Path, columns: Columns) -> Iterator[TextRow]:
    """The pairs of a tab-separated file whose first line names the columns.

    There is no quoting: a quotation mark is text, and a sentence holds no tab.

    Raises:
      DataError: the header lacks a column, or a line has another number of columns.
    """
    lines = iter_lines(path)
    header = next(lines, "").split("\t")
    place = f"{path}, line 1"
    names = [check_column(language, header, place) for language in columns.languages]
    are_linked = columns.are_linked(header, place)
    names += [columns.links] if are_linked else []
    for name in names:
        if header.count(name) > 1:
            raise DataError(f"{place}: column {name!r} is there {header.count(name)} times")
    places = [header.index(name) for name in names]
    for number, line in enumerate(lines, 2):
        fields = line.split("\t")
        if len(fields) != len(header):
            raise DataError(
                f"{path}, line {number}: wanted {len(header)} columns separated by tabs, "
                f"as in the first line; got {len(fields)} (no sentence can hold a tab)"
            )
        row = [fields[i] for i in places]
        yield _linked(*row, f"{path}, line {number}") if are_linked else tuple(row)


def iter_jsonl(path: Path, columns: Columns) -> Iterator[TextRow]:
    """The pairs of a file of JSON objects, one a line; lines of white space alone are skipped.

    The languages are keys of the object, or of the object that is its "translation". The links
    are a key of the object itself.

    Raises:
      DataError: a line is no such object, or some have links and others have none.
    """
    are_linked = None  # the first object tells it of all
    for number, line in enumerate(iter_lines(path), 1):
        if line and not line.isspace():
            place = f"{path}, line {number}"
            row = _parse_json(line, columns.languages, place)
            pair = _json_pair(row, line, columns.languages, place)
            if are_linked is None:
                are_linked = _has_links(row, columns, place)
            elif are_linked != _has_links(row, columns, place):
                raise some_linked(columns.links, place)
            if are_linked:
                yield _linked(*pair, _json_text(row, columns.links, place), place)
            else:
                yield pair


def _has_links(row: dict[str, Any], columns: Columns, place: str) -> bool:
    """Null is as good as nothing where there may be nothing."""
    if not columns.are_linked(row, place):
        return False
    return columns.must_have_links or row[columns.links] is not None


def _parse_json(line: str, languages: tuple[str, str], place: str) -> dict[str, Any]:
    is_doubtful = any(line.count(f'"{language}"') > 1 for language in languages)
    hook = _without_repetition if is_doubtful else None  # with it parsing takes twice as long
    try:
        row = json.loads(line, object_pairs_hook=hook)
    except (ValueError, RecursionError) as error:  # a number of 5000 digits is a ValueError
        reason = f"{error.msg} at character {error.pos + 1}" if hasattr(error, "msg") else error
        raise DataError(f"{place}: wanted a JSON object; got {shorten(line)}: {reason}") from None
    if not isinstance(row, dict):
        raise DataError(f"{place}: wanted a JSON object; got {shorten(line)}")
    return row


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, of which JSON lets a key be there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{max(keys, key=keys.count)!r} is there twice")
    return found


def _json_pair(row: dict[str, Any], line: str, languages: tuple[str, str], place: str) -> Pair:
    if isinstance(row.get(TRANSLATION), dict) and not set(languages) <= row.keys():
        row = row[TRANSLATION]
    source, target = texts = [_json_text(row, language, place) for language in languages]
    if "\\ud" in line.lower() and not all(map(is_utf8, texts)):
        raise DataError(f"{place}: half of a surrogate pair (\\ud8..-\\udf..) is not text")
    return source, target


def _json_text(row: dict[str, Any], column: str, place: str) -> str:
    text = row[check_column(column, row, place)]
    if not isinstance(text, str):
        raise DataError(f"{place}: {column!r} must hold text; got {shorten(repr(text))}")
    check_no_nul(text, place)
    return text


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8.

    Halves of surrogate pairs cannot: escapes of JSON may stand for them, and Python reads as such
    what is no UTF-8 in an argument.
    """
    return not any("\ud800" <= character <= "\udfff" for character in text)


def shorten(text: str, width: int = 60) -> str:
    """The text on one line, cut with an ellipsis where it is longer than `width`."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"
