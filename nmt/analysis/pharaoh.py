"""Word links as text, as the decoder Pharaoh wrote them: a line for each pair, such as '0-0 2-1'.

A link is source-target. Gold links, which people made, come in two strengths (Och and Ney 2003):
'2-1' is sure, '2p1' and '2?1' are possible only. Within the program words are counted from 0.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from nmt.errors import DataError

Link = tuple[int, int]  # (source word, target word), both from 0

_LINK = re.compile(r"([0-9]{1,9})([-p?])([0-9]{1,9})")  # more digits are no sentence's
_SHOWN = 40  # characters of what is no link


@dataclass(frozen=True)
class GoldLinks:
    """The links that people gave a pair.

    Attributes:
      sure: those that must be there.
      possible: those that may be there; the sure ones are among them, and added where they are not.
    """

    sure: frozenset[Link]
    possible: frozenset[Link]

    def __post_init__(self):
        object.__setattr__(self, "sure", frozenset(self.sure))
        object.__setattr__(self, "possible", self.sure.union(self.possible))


def parse_links(line: str, place: str, *, base: int = 0, reverse: bool = False) -> list[Link]:
    """Reads a line of links.

    Args:
      line: links between white space.
      place: of the line, for messages.
      base: what the first word is counted as.
      reverse: whether the line has target-source.
    Returns:
      source-target from 0, in the order of the line; one that stands there twice comes once.
    Raises:
      DataError: something in the line is no link, or counts from less than `base`.
    """
    links = {}
    for text in line.split():
        mark, link = _parse(text, place, base, reverse)
        if mark != "-":
            raise _error(text, place, "sure links alone, such as 0-0")
        links[link] = None
    return list(links)


def parse_gold(line: str, place: str, *, base: int = 0, reverse: bool = False) -> GoldLinks:
    """Reads a line of gold links; see `parse_links`."""
    sure, possible = set(), set()
    for text in line.split():
        mark, link = _parse(text, place, base, reverse)
        (sure if mark == "-" else possible).add(link)
    return GoldLinks(frozenset(sure), frozenset(possible))


def check_links(links: Iterable[Link], num_source: int, num_target: int, place: str) -> None:
    """Raises DataError for the first link to a word that is not there."""
    for source, target in links:
        if source >= num_source or target >= num_target:
            raise DataError(
                f"{place}: link {source}-{target} (words counted from 0) does not fit a pair of "
                f"{num_source} source and {num_target} target words"
            )


def format_links(links: Iterable[Link]) -> str:
    """Links as a line, sorted, from 0, each once."""
    return " ".join(f"{source}-{target}" for source, target in sorted(set(links)))


def _parse(text: str, place: str, base: int, reverse: bool) -> tuple[str, Link]:
    """What stands between the numbers, and the link."""
    match = _LINK.fullmatch(text)
    if match is None:
        raise _error(text, place, "a link such as 0-0, source word and target word")
    source, target = int(match[1]) - base, int(match[3]) - base
    if source < 0 or target < 0:
        raise _error(text, place, f"links between words that are counted from {base}")
    return match[2], (target, source) if reverse else (source, target)


def _error(text: str, place: str, wanted: str) -> DataError:
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return DataError(f"{place}: wanted {wanted}; got {shown!r}")
