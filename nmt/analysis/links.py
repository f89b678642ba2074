"""From a model's alignment between pieces to one between words, and from that to links.

A model attends from target pieces to source pieces; people read words. A word is what stands
between whitespace. With A the piece alignment and shares P (pieces, words), the part of each piece
that lies in each word, the alignment between words is

    W[t, s] = sum_i,j  P_target[i, t] A[i, j] P_source[j, s]  /  sum_i P_target[i, t]

the sum over the source pieces of a word and the mean over its target pieces. What falls on the
source's EOS is no word's and is kept apart, so that a row of W and its EOS mass sum to one.
"""

import re
from collections.abc import Sequence

import numpy as np

from nmt.analysis.alignment import Alignment
from nmt.errors import DataError

Spans = Sequence[tuple[int, int]]  # character offsets [start, end) of pieces in a text


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
