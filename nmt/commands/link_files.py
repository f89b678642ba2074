"""Files of word links, a line for each pair: those of a program, and those that people made."""

import argparse
from collections.abc import Iterator

from nmt.analysis.pharaoh import GoldLinks, Link, parse_gold, parse_links
from nmt.commands.text_streams import STANDARD, read_text
from nmt.errors import DataError


def base(text: str) -> int:
    """The type of an option that says what a file counts its first word as."""
    if text not in ("0", "1"):
        raise argparse.ArgumentTypeError(f"wanted 0 or 1, what the first word is; got {text!r}")
    return int(text)


def read_links(name: str, *, base: int, reverse: bool) -> list[list[Link]]:
    """The links of each line, source-target from 0.

    Args:
      name: of a file, plain, .gz, .xz or .zst; "-" is standard input.
      base: what it counts the first word as.
      reverse: whether it has target-source.
    Raises:
      DataError: it cannot be read; the message names file and line.
    """
    return [
        parse_links(line, place, base=base, reverse=reverse) for place, line in _placed_lines(name)
    ]


def read_gold(name: str, *, base: int) -> list[GoldLinks]:
    """The gold links of each line, from a file that is not empty; see `read_links`."""
    gold = [parse_gold(line, place, base=base) for place, line in _placed_lines(name)]
    if not gold:
        raise DataError(f"{_shown(name)} is empty; wanted one line or more")
    return gold


def check_as_many(name: str, num_lines: int, gold_name: str, num_gold: int) -> None:
    """Raises DataError where a file and its gold links differ in their number of lines."""
    if num_lines != num_gold:
        raise DataError(
            f"{_shown(name)} has {_lines(num_lines)} and {_shown(gold_name)} has "
            f"{_lines(num_gold)}; line i of both must be the same pair"
        )


def place_in(name: str, line: int) -> str:
    """What messages call a line of a file, counted from 1."""
    return f"{_shown(name)}, line {line}"


def _placed_lines(name: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(read_text(name), 1):
        yield place_in(name, number), line


def _shown(name: str) -> str:
    return "standard input" if name in STANDARD else name


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"
