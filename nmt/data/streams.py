"""Splits that are read part by part, so that one larger than memory can be gone through.

A part is itself a `Split`, of the next pairs; its size is bounded both in pairs and in characters.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from nmt.data.splits import Link, Split

PART_PAIRS = 10_000
PART_CHARACTERS = 8_000_000  # of both sides; a part of one pair may have more

Pair = tuple[str, str]
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


def in_parts(name: str, pairs: Iterable[Pair]) -> Iterator[Split]:
    """Collects pairs into parts."""
    source, target, characters = [], [], 0
    for source_text, target_text in pairs:
        source.append(source_text)
        target.append(target_text)
        characters += len(source_text) + len(target_text)
        if len(source) >= PART_PAIRS or characters >= PART_CHARACTERS:
            yield Split(name, source, target)
            source, target, characters = [], [], 0
    if source:
        yield Split(name, source, target)


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
