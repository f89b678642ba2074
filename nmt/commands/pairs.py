"""The options --source and --target: two files whose lines are pairs, and their parts."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nmt.commands.arguments import Arguments, CommandParser
from nmt.commands.text_streams import CHUNK, STANDARD
from nmt.data.splits import Split
from nmt.data.text_files import read_parallel
from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.data.vocabulary import Vocabularies

logger = logging.getLogger(__name__)
ALONE = 1000  # characters of a line that is not batched with others: memory grows with its square
MOST_PIECES = 1024  # of either side, in one forced pass
MOST_BYTES = 4  # of a character in UTF-8, each of which may be a piece


class Part(NamedTuple):
    """Pairs that follow one another.

    Attributes:
      start: the index of the first of them.
      source, target: the lines.
    """

    start: int
    source: Sequence[str]
    target: Sequence[str]


def add_pairs(parser: CommandParser) -> None:
    """--source and --target."""
    parser.add_argument("--source", metavar="FILE", help="a line for each pair; required")
    parser.add_argument("--target", metavar="FILE", help="the translations of the lines; required")


def read_pairs(arguments: Arguments) -> Split:
    """The pairs of the two files, all of which are read before any work.

    Raises:
      NmtError: an option is missing, a file cannot be read, or they differ in length.
    """
    source = arguments.required("--source", "a file with a line for each pair")
    target = arguments.required("--target", "a file with the translations of --source")
    for option, name in (("--source", source), ("--target", target)):
        if name in STANDARD:
            raise NmtError(f"{option} must be a file; standard input cannot be read as one of two")
    return read_parallel("pairs", Path(source), Path(target))


def parts_of(pairs: Split) -> Iterator[Part]:
    """The pairs in their order, at most CHUNK at a time; one with a long line is its own part."""

    def part(start: int, stop: int) -> Part:
        return Part(start, pairs.source[start:stop], pairs.target[start:stop])

    start = 0
    for i, pair in enumerate(zip(pairs.source, pairs.target, strict=True)):
        is_long = max(map(len, pair)) > ALONE
        if i > start and (is_long or i == start + CHUNK):
            yield part(start, i)
            start = i
        if is_long:
            yield part(i, i + 1)
            start = i + 1
    if start < len(pairs):
        yield part(start, len(pairs))


def too_long(pairs: Split, vocabularies: "Vocabularies") -> dict[int, int]:
    """The pairs that no model should be asked to read in one pass.

    Returns:
      The index of each, in order, and how many pieces its longer side has.
    """
    found = {}
    for i, pair in enumerate(zip(pairs.source, pairs.target, strict=True)):
        if MOST_BYTES * max(map(len, pair)) > MOST_PIECES:
            sides = zip(pair, (vocabularies.source, vocabularies.target), strict=True)
            num_pieces = max(len(vocabulary.encode(text)) for text, vocabulary in sides)
            if num_pieces > MOST_PIECES:
                found[i] = num_pieces
    return found


def emptied(pairs: Split, left_out: Sequence[int]) -> Split:
    """The pairs with empty lines in place of some, of which a warning tells."""
    if not left_out:
        return pairs
    logger.warning(
        "pairs of more than %d pieces on a side get no links: %d of %d, the first in line %d",
        *(MOST_PIECES, len(left_out), len(pairs), left_out[0] + 1),
    )
    source, target = list(pairs.source), list(pairs.target)
    for i in left_out:
        source[i] = target[i] = ""
    return Split(pairs.name, source, target)
