"""Text kept on disk: sequences of any size that are read where they are asked for.

A split is written to a folder as the UTF-8 bytes of its sentences, one after the other, with the
offsets where they begin (see ragged.py); nothing marks their ends, so a sentence may hold any
character. The mapped pages belong to the file: the system drops them when memory is short.
"""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from nmt.analysis.pharaoh import Link
from nmt.data.ragged import Ragged, RaggedWriter
from nmt.data.splits import Split
from nmt.errors import DataError

_BLOCK = 10_000  # sentences that are read at once when all are gone through


class Texts(Sequence[str]):
    """Sentences on disk; what is read of them is not kept.

    Reading one raises DataError where its bytes are damaged so that they are no UTF-8.
    """

    def __init__(self, bytes_of: Ragged, folder: Path):
        """Takes the UTF-8 bytes of each sentence, uint8, and the folder that errors name."""
        self._folder = folder
        # A plain view: slicing a memmap costs several times as much.
        self._values, self._offsets = np.asarray(bytes_of.values), np.asarray(bytes_of.offsets)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        try:
            return self._values[self._offsets[index] : self._offsets[index + 1]].tobytes().decode()
        except UnicodeDecodeError:
            raise self._damaged() from None

    def __iter__(self) -> Iterator[str]:
        try:
            for start in range(0, len(self), _BLOCK):
                offsets = self._offsets[start : start + _BLOCK + 1].tolist()
                for begin, end in pairwise(offsets):
                    yield self._values[begin:end].tobytes().decode()
        except UnicodeDecodeError:
            raise self._damaged() from None

    def _damaged(self) -> DataError:
        return DataError(
            f"the kept text {self._folder} is not UTF-8: it is damaged; "
            "remove the folder, and it is made again"
        )


class Links(Sequence[list[Link]]):
    """Word links of pairs on disk.

    Attributes:
      flat: of each pair (2 x links,) int32: source word, target word, source word, ...
    """

    def __init__(self, flat: Ragged):
        self.flat = flat

    def __len__(self) -> int:
        return len(self.flat)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        flat = self.flat[index].tolist()
        return list(zip(flat[::2], flat[1::2], strict=True))


class SplitWriter:
    """Writes a split to a folder, part by part."""

    def __init__(self, folder: Path):
        self._folder, self._open = folder, contextlib.ExitStack()
        self._sides = [self._writer(side, np.uint8) for side in ("source", "target")]
        self._links: RaggedWriter | None = None  # opened by the first part that has any

    def __enter__(self) -> "SplitWriter":
        return self

    def __exit__(self, *error) -> None:
        self._open.__exit__(*error)

    def append(self, part: Split) -> None:
        """Writes the next pairs."""
        for writer, texts in zip(self._sides, (part.source, part.target), strict=True):
            writer.append(_as_bytes(texts))
        if part.links is not None:
            if self._links is None:
                self._links = self._writer("links", np.int32)
            self._links.append(_as_flat(part.links))

    def _writer(self, name: str, dtype: type) -> RaggedWriter:
        return self._open.enter_context(RaggedWriter(self._folder, name, dtype))


def load_kept(folder: Path, name: str) -> Split:
    """Opens what a `SplitWriter` wrote; DataError where it is missing or damaged."""
    source, target = (
        Texts(Ragged.load(folder, side, np.uint8), folder) for side in ("source", "target")
    )
    has_links = any(Path(folder).glob("links_*.npy"))
    links = Links(Ragged.load(folder, "links", np.int32)) if has_links else None
    return Split(name, source, target, links)


def _as_flat(links: Sequence[list[Link]]) -> Ragged:
    lengths = np.fromiter(map(len, links), np.int64, len(links))
    offsets = 2 * np.cumsum(np.concatenate([[0], lengths]))
    indices = chain.from_iterable(chain.from_iterable(links))
    return Ragged(np.fromiter(indices, np.int32, offsets[-1]), offsets)


def _as_bytes(texts: Sequence[str]) -> Ragged:
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return Ragged(np.frombuffer(b"".join(encoded), np.uint8), offsets)
