"""Splits that are read part by part, so that one larger than memory can be gone through.

A part is itself a `Split`, of the next pairs; its size is bounded both in pairs and in characters.
Before they are in parts, pairs are rows, one at a time.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from nmt.analysis.pharaoh import Link
from nmt.data.columns import TextRow
from nmt.data.splits import Split

PART_PAIRS = 10_000
PART_CHARACTERS = 8_000_000  # of both sides, and links; a part of one pair may have more

Pair = tuple[str, str]
Row = Pair | tuple[str, str, list[Link]]
State = list  # of what JSON can hold


@dataclass(frozen=True)
class SplitStream:
    """A split that is read from its beginning each time that it is iterated over.

    Attributes:
      name: what the config calls it.
      parts: starts to read: the pairs in order, as splits of the same name. Either all of them
        have links or none has.
      state: differs where what would be read may have changed, such as the size and the time of
        change of every file; None where only reading tells.
    """

    name: str
    parts: Callable[[], Iterable[Split]]
    state: State | None = None

    def __iter__(self) -> Iterator[Split]:
        return iter(self.parts())

    def read(self) -> Split:
        """All of it, in lists."""
        return joined(self.name, self)


@dataclass(frozen=True)
class RowStream:
    """The text of a split that is read from its beginning each time that `rows` is called.

    Attributes:
      rows: starts to read: the pairs in order, with the text of their links or all without.
      state: see `SplitStream`.
    """

    rows: Callable[[], Iterator[TextRow]]
    state: State | None = None


def in_parts(name: str, rows: Iterable[Row]) -> Iterator[Split]:
    """Collects pairs into parts; either all of them have links or none has."""
    part, size = [], 0
    for row in rows:
        part.append(row)
        size += sum(map(len, row))
        if len(part) >= PART_PAIRS or size >= PART_CHARACTERS:
            yield Split(name, *map(list, zip(*part, strict=True)))
            part, size = [], 0
    if part:
        yield Split(name, *map(list, zip(*part, strict=True)))


def joined(name: str, parts: Iterable[Split]) -> Split:
    """One split of all parts, in lists."""
    source: list[str] = []
    target: list[str] = []
    links: list[list[Link]] = []
    has_links = False
    for part in parts:
        source += part.source
        target += part.target
        if part.links is not None:
            has_links = True
            links += part.links
    return Split(name, source, target, links if has_links else None)
