"""From a model's alignment between pieces to one between words, and from that to links.

A model attends from target pieces to source pieces; people read words. A word is what stands
between whitespace. With A the piece alignment and shares P (pieces, words), the part of each piece
that lies in each word, the alignment between words is

    W[t, s] = sum_i,j  P_target[i, t] A[i, j] P_source[j, s]  /  sum_i P_target[i, t]

the sum over the source pieces of a word and the mean over its target pieces. What falls on the
source's EOS is no word's and is kept apart, so that a row of W and its EOS mass sum to one.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from nmt.errors import DataError

if TYPE_CHECKING:
    from nmt.analysis.figures import Picture

Spans = Sequence[tuple[int, int]]  # character offsets [start, end) of pieces in a text


@dataclass(frozen=True, eq=False)
class Alignment:
    """Which source words each target word was made from.

    Attributes:
      source_words: (S words).
      target_words: (T words).
      matrix: (T words, S words), between 0 and 1.
      eos: (T words,), the mass on the source's EOS. With it every row sums to one, except that of
        a target word without a piece (one the vocabulary's normalisation removed), which is zero.
    """

    source_words: list[str]
    target_words: list[str]
    matrix: np.ndarray
    eos: np.ndarray

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


def word_alignment(
    matrix: np.ndarray,
    source_text: str,
    source_spans: Spans,
    target_text: str,
    target_spans: Spans,
) -> Alignment:
    """Joins the pieces of a piece alignment into words.

    Args:
      matrix: (T, S), a row for each target piece, a column for each source piece and one more, the
        last, for the source's EOS. Padding is cut off already. T is len(target_spans), or one more
        where the last row is that of the target's EOS. That row is no word's and is dropped.
      source_text: the sentence that was translated.
      source_spans: S - 1 places of the source pieces in it, without EOS.
      target_text: the translation.
      target_spans: the places of the target pieces in it, with EOS (an empty span) or without.
    Returns:
      The alignment of the texts' whitespace-separated words. A piece that reaches over several
      words is shared among them by its characters. An empty span (a lone '▁', the later bytes of
      a character) belongs to the word that it stands in or before; at the end of the source to
      the last word, at the end of the target (EOS, or nothing) to none.
    Raises:
      DataError: the matrix does not fit the spans.
    """
    matrix = np.asarray(matrix, float)
    rows, columns = len(target_spans), len(source_spans) + 1
    if matrix.ndim != 2 or matrix.shape[1] != columns or matrix.shape[0] not in (rows, rows + 1):
        raise DataError(
            f"the alignment of {rows} target pieces with {columns - 1} source pieces and EOS wants "
            f"a matrix of shape {(rows, columns)}, or one row more; got {matrix.shape}"
        )
    matrix, real = matrix[:rows], _without_empty_end(target_spans)
    source_words, source_shares = _shares(source_text, source_spans)  # S-1 pieces, S words
    target_words, target_shares = _shares(target_text, target_spans[:real])  # T pieces, T words

    counts = target_shares.sum(axis=0)  # T words: how many pieces each is made of
    means = target_shares.T / np.where(counts > 0, counts, 1)[:, None]  # T words, T pieces
    rows_of_words = means @ matrix[:real]  # T words, S pieces
    eos = rows_of_words[:, -1]
    if not source_words:  # only spaces were translated: what fell on their pieces is no word's
        eos = rows_of_words.sum(axis=1)
    return Alignment(source_words, target_words, rows_of_words[:, :-1] @ source_shares, eos)


def _without_empty_end(spans: Spans) -> int:
    """How many pieces are left when the empty ones at the end are dropped."""
    return max((i + 1 for i, (start, end) in enumerate(spans) if end > start), default=0)


def _shares(text: str, spans: Spans) -> tuple[list[str], np.ndarray]:
    """The words of a text, and which part of each piece lies in each word.

    Args:
      text: words between whitespace.
      spans: of the pieces.
    Returns:
      words: as in `text.split()`.
      shares: (pieces, words), every row sums to one if there are words at all.
    """
    words = [(match.group(), *match.span()) for match in re.finditer(r"\S+", text)]
    starts = np.array([start for _, start, _ in words], int)
    ends = np.array([end for _, _, end in words], int)
    shares = np.zeros((len(spans), len(words)))
    if words:
        for row, (start, end) in zip(shares, spans, strict=True):
            overlap = np.minimum(end, ends) - np.maximum(start, starts)  # words
            if overlap.max() > 0:
                row[:] = np.maximum(overlap, 0) / overlap.clip(0).sum()
            else:  # an empty span, or one of spaces alone: the first word not yet over, or the last
                row[min(int((ends < end).sum()), len(words) - 1)] = 1
    return [word for word, _, _ in words], shares
