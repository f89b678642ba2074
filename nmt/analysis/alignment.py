"""Alignments between words: what a model's attention says, ready to be read, drawn and linked."""

import json
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from nmt.errors import DataError

if TYPE_CHECKING:
    from nmt.analysis.figures import Picture


@dataclass(frozen=True, eq=False)
class HeadAlignments:
    """The alignments of every layer and head of a model, between the same words.

    Attributes:
      matrices: (layers, N, T words, S words), each as `Alignment.matrix`.
      eos: (layers, N, T words), each as `Alignment.eos`.
    """

    matrices: np.ndarray
    eos: np.ndarray


@dataclass(frozen=True, eq=False)
class Alignment:
    """Which source words each target word was made from.

    Attributes:
      source_words: (S words).
      target_words: (T words).
      matrix: (T words, S words), between 0 and 1.
      eos: (T words,), the mass on the source's EOS. With it every row sums to one, except that of
        a target word without a piece (one the vocabulary's normalisation removed), which is zero.
      heads: those of every layer and head, where they were asked for.
    """

    source_words: list[str]
    target_words: list[str]
    matrix: np.ndarray
    eos: np.ndarray
    heads: HeadAlignments | None = None

    def __post_init__(self):
        matrix, eos = np.asarray(self.matrix, float), np.asarray(self.eos, float)
        words = len(self.target_words), len(self.source_words)
        if matrix.shape != words or eos.shape != words[:1]:
            raise DataError(
                f"an alignment of {words[0]} target words with {words[1]} source words wants a "
                f"matrix of shape {words} and eos of shape {words[:1]}; got {matrix.shape} and "
                f"{eos.shape}"
            )
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "eos", eos)

    def links(self) -> list[tuple[int, int]]:
        """One (source word, target word) for each target word: where its row is greatest.

        A tie goes to the first source word. A target word has no link where EOS holds more than
        any source word, or where no source word holds anything.
        """
        links = []
        for target, (row, eos) in enumerate(zip(self.matrix, self.eos, strict=True)):
            if row.size and row.max() > 0 and row.max() >= eos:
                links.append((int(row.argmax()), target))
        return links

    def to_pharaoh(self) -> str:
        """The links as one line of a Pharaoh file, 0-based and source first, such as '0-0 2-1'."""
        return " ".join(f"{source}-{target}" for source, target in sorted(self.links()))

    def to_dict(self) -> dict[str, list]:
        """Words, matrix and EOS mass as plain lists, ready for JSON; numbers to 6 decimals."""
        return {
            "source_words": list(self.source_words),
            "target_words": list(self.target_words),
            "matrix": self.matrix.round(6).tolist(),
            "eos": self.eos.round(6).tolist(),
        }

    def to_json(self) -> str:
        """`to_dict` on one line, in the words' own script."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def plot(
        self, path: str | PathLike | None = None, *, title: str | None = None, eos: bool = False
    ) -> "Picture":
        """Draws the matrix; see `nmt.analysis.matrix_plot.plot_alignment`."""
        from nmt.analysis.matrix_plot import plot_alignment

        return plot_alignment(self, path, title=title, eos=eos)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows; nothing where there are no words to show."""
        from nmt.analysis.matrix_plot import png

        return png(self) if self.matrix.size else None
