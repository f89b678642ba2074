"""A split: pairs of raw text with a fingerprint that does not depend on how they were stored."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import repeat

from nmt.analysis.pharaoh import Link


@dataclass(frozen=True)
class Split:
    """Pairs of sentences, in the corpus's order: all of a split, or a part of one.

    The sequences are shared and never changed; they are lists, or stand on disk (see kept_text.py).

    Attributes:
      name: what the config calls it, such as "train".
      source: one sentence each.
      target: their translations, as many.
      links: sure links of each pair's words, or None where the corpus has none.
    """

    name: str
    source: Sequence[str]
    target: Sequence[str]
    links: Sequence[list[Link]] | None = None

    def __post_init__(self):
        assert len(self.source) == len(self.target)
        assert self.links is None or len(self.links) == len(self.source)

    def __len__(self) -> int:
        return len(self.source)

    @cached_property
    def fingerprint(self) -> str:
        """See `Fingerprint`."""
        return fingerprint_of([self])


class Fingerprint:
    """SHA-256 over pairs in order, the same whatever files they came from, and in what parts.

    Every text is preceded by its length, so no two lists of pairs give the same bytes.
    """

    def __init__(self):
        self._digest = None

    def update(self, part: Split) -> None:
        """Takes the next pairs; either all parts have links or none has."""
        if self._digest is None:
            self._digest = _begun(with_links=part.links is not None)
        all_links = repeat(None) if part.links is None else part.links
        for source, target, links in zip(part.source, part.target, all_links, strict=False):
            self._digest.update(framed(source, target))
            if links is not None:
                count = (2 * len(links)).to_bytes(8, "little")
                self._digest.update(b"".join([count, *map(_framed_link, links)]))

    def hexdigest(self) -> str:
        """The fingerprint of what was taken so far."""
        return (self._digest or _begun(with_links=False)).hexdigest()


def _begun(*, with_links: bool):
    return hashlib.sha256(b"pairs with links" if with_links else b"pairs")


def fingerprint_of(parts: Iterable[Split]) -> str:
    """The fingerprint of a split that comes in parts."""
    fingerprint = Fingerprint()
    for part in parts:
        fingerprint.update(part)
    return fingerprint.hexdigest()


def framed(*texts: str) -> bytes:
    """The texts as bytes from which they can be told apart: their number, then length and text."""
    parts = [len(texts).to_bytes(8, "little")]
    for text in texts:
        encoded = text.encode()
        parts += [len(encoded).to_bytes(8, "little"), encoded]
    return b"".join(parts)


@lru_cache(maxsize=1 << 16)  # the same links come again and again
def _framed_link(link: Link) -> bytes:
    """Both numbers as `framed` would write them among all the numbers of a pair's links."""
    return framed(*map(str, link))[8:]


def sample(lines: Sequence[str], size: int) -> Iterator[str]:
    """At most `size` of the lines, evenly spaced from the first on: the same ones every time."""
    size = min(size, len(lines))
    return (lines[i * len(lines) // size] for i in range(size))
