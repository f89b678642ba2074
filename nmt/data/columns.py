"""The columns of a corpus: text in two languages and, where it has them, links of their words.

A line of the third column has the links of one pair in Pharaoh format (see nmt.analysis.pharaoh):
source-target, counted from 0, such as `0-0 2-1`; an empty line is a pair without links. Words are
what white space parts in the text as it is read, in every language. The links that are only
possible, `2p1` or `2?1`, are gold to measure with and nothing to train on.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from nmt.analysis.pharaoh import GoldLinks, Link, check_links, parse_gold, parse_links
from nmt.config.schema import DataConfig
from nmt.data.white_space import SPACE_MARK
from nmt.errors import DataError, nearest


class Columns(NamedTuple):
    """What to read of a split.

    Attributes:
      source: the language of the first side.
      target: of the second.
      links: what the third column is called; None where it is not to be read.
      must_have_links: whether it is an error that there is no such column.
    """

    source: str
    target: str
    links: str | None = None
    must_have_links: bool = False

    @classmethod
    def of(cls, config: DataConfig, split: str) -> "Columns":
        """Those that a config names; only its training split must have all of them."""
        must = config.links is not None and split == config.train
        return cls(config.source_language, config.target_language, config.links, must)

    @property
    def languages(self) -> tuple[str, str]:
        """Of both sides."""
        return self.source, self.target

    def are_linked(self, present: Collection[str], place: str) -> bool:
        """Whether there is a third column to read.

        Args:
          present: the names of all columns.
          place: where they are, for the message.
        Raises:
          DataError: there is none, but must be.
        """
        if self.must_have_links:
            check_column(self.links, present, place)
        return self.links is not None and self.links in present


class LinkLine(NamedTuple):
    """The links of a pair, not yet read, and where they stand, as messages begin."""

    text: str
    place: str


TextRow = tuple[str, str] | tuple[str, str, LinkLine]  # in a split, all of them or none has links


def check_column(name: str, present: Collection[str], place: str) -> str:
    """Returns the name if it is among those present, and raises DataError if not."""
    if name not in present:
        raise DataError(f"{place}: no column {name!r}{nearest(name, present)}")
    return name


def some_linked(links: str, place: str) -> DataError:
    """Of a split with links at some pairs, and nothing at the pair of this place, or inversely."""
    return DataError(
        f"{place}: wanted {links!r} at all pairs of the split or at none; "
        "got it at some (a pair without links has an empty text there)"
    )


def sure_links(source: str, target: str, line: LinkLine) -> list[Link]:
    """The sure links of a pair, sorted, each once.

    Raises:
      DataError: the line has something else than links, or one to a word that is not there.
    """
    if "p" in line.text or "?" in line.text:  # possible ones, or none at all
        _check_no_mark(source, target, line.place)
        return sorted(gold_links(source, target, line).sure)
    try:
        links = list(dict.fromkeys(sorted(map(_parse_one, line.text.split()))))
    except DataError:
        parse_links(line.text, line.place)  # this error knows its place
        raise
    check_links(links, *_num_words(source, target), line.place)
    if links:
        _check_no_mark(source, target, line.place)
    return links


def gold_links(source: str, target: str, line: LinkLine) -> GoldLinks:
    """The sure and the possible links of a pair; errors as of `sure_links`."""
    gold = parse_gold(line.text, line.place)
    check_links(sorted(gold.possible), *_num_words(source, target), line.place)
    return gold


def _num_words(source: str, target: str) -> tuple[int, int]:
    return len(source.split()), len(target.split())


def _check_no_mark(source: str, target: str, place: str) -> None:
    """Vocabularies read U+2581 as a space, so the words of a text with it cannot be counted."""
    if SPACE_MARK in source or SPACE_MARK in target:
        raise DataError(f"{place}: a text with word links must not have U+2581 ({SPACE_MARK})")


# The same few links come again and again: sentences of 100 words have 10,000 different ones.
@lru_cache(maxsize=1 << 16)
def _parse_one(text: str) -> Link:
    (link,) = parse_links(text, "")
    return link
