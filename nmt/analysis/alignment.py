"""Alignments between words: what a model's attention says, ready to be read, drawn and linked."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nmt.analysis.pharaoh import GoldLinks, Link, format_links
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
      eos: (T words,), the mass on the source's EOS. With it every row sums to one, except that a
        target word of which the vocabulary's normalisation left no piece has a row of zeros.
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
        if self.heads is not None:
            matrices, heads_eos = np.shape(self.heads.matrices), np.shape(self.heads.eos)
            if matrices[2:] != words or heads_eos != matrices[:3]:
                raise DataError(
                    f"the heads of an alignment of shape {words} want matrices of shape "
                    f"(layers, heads, {words[0]}, {words[1]}) and eos of shape (layers, heads, "
                    f"{words[0]}); got {matrices} and {heads_eos}"
                )

    def head(self, layer: int, head: int | None = None) -> "Alignment":
        """The alignment of one head, or the mean of a layer's heads; both are counted from 0.

        Raises:
          DataError: the alignment was made without heads, or there is no such layer or head.
        """
        if self.heads is None:
            raise DataError("this alignment has no heads: ask for it with heads=True")
        num_layers, num_heads = np.shape(self.heads.eos)[:2]
        if not 0 <= layer < num_layers or not (head is None or 0 <= head < num_heads):
            raise DataError(
                f"wanted a layer from 0 to {num_layers - 1} and a head from 0 to {num_heads - 1}, "
                f"or None for the mean; got layer {layer} and head {head}"
            )
        matrices, eos = np.asarray(self.heads.matrices[layer]), np.asarray(self.heads.eos[layer])
        chosen = slice(None) if head is None else slice(head, head + 1)
        means = matrices[chosen].mean(axis=0), eos[chosen].mean(axis=0)
        return Alignment(self.source_words, self.target_words, *means)

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
        return format_links(self.links())

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
        self,
        path: str | PathLike | None = None,
        *,
        title: str | None = None,
        eos: bool = False,
        gold: GoldLinks | None = None,
        links: Iterable[Link] | None = None,
    ) -> "Picture":
        """Draws the matrix; see `nmt.analysis.matrix_plot.plot_alignment`."""
        from nmt.analysis.matrix_plot import plot_alignment

        if path is not None and Path(path).suffix.lower() in (".html", ".htm"):
            raise DataError(f"save_html writes an alignment as .html, plot does not; got {path}")
        return plot_alignment(self, path, title=title, eos=eos, gold=gold, links=links)

    def html(self, *, gold: GoldLinks | None = None, title: str | None = None) -> str:
        """The matrix as an interactive page; see `nmt.analysis.matrix_html.alignment_html`."""
        from nmt.analysis.matrix_html import alignment_html

        return alignment_html(self, gold=gold, title=title)

    def save_html(
        self,
        path: str | PathLike,
        *,
        gold: GoldLinks | None = None,
        title: str | None = None,
    ) -> None:
        """Writes the interactive page, one .html file that needs nothing else."""
        from nmt.analysis.matrix_html import save_page

        save_page(self.html(gold=gold, title=title), path)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        """What a notebook shows: the page in a frame, and the picture; nothing for no words."""
        if not self.matrix.size:
            return {}
        from nmt.analysis.matrix_html import notebook_html
        from nmt.analysis.matrix_plot import png

        picture = png(self)
        return {
            "text/html": notebook_html(self, picture),
            "image/png": base64.b64encode(picture).decode("ascii"),
        }
