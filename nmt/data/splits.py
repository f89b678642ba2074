"""A split: pairs of raw text with a fingerprint that does not depend on how they were stored."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

Link = tuple[int, int]  # (source word, target word), both from 0


@dataclass(frozen=True)
class Split:
    """Pairs of sentences, in the corpus's order; the lists are shared and never changed.

    Attributes:
      name: what the config calls it, such as "train".
      source: one sentence each.
      target: their translations, as many.
      links: word links of each pair, or None where the corpus has none.
    """

    name: str
    source: list[str]
    target: list[str]
    links: list[list[Link]] | None = None

    def __post_init__(self):
        assert len(self.source) == len(self.target)
        assert self.links is None or len(self.links) == len(self.source)

    def __len__(self) -> int:
        return len(self.source)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the pairs in order, the same whatever files they came from.

        Every text is preceded by its length, so no two lists of pairs give the same bytes.
        """
        digest = hashlib.sha256(b"pairs" if self.links is None else b"pairs with links")
        all_links = repeat(None) if self.links is None else self.links
        for source, target, links in zip(self.source, self.target, all_links, strict=False):
            digest.update(framed(source, target))
            if links is not None:
                flat = [index for link in links for index in link]
                digest.update(framed(*map(str, flat)))
        return digest.hexdigest()


def framed(*texts: str) -> bytes:
    """The texts as bytes from which they can be told apart: their number, then length and text."""
    parts = [len(texts).to_bytes(8, "little")]
    for text in texts:
        encoded = text.encode()
        parts += [len(encoded).to_bytes(8, "little"), encoded]
    return b"".join(parts)
