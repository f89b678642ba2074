"""From a model's alignment between pieces to one between words.

A model attends from target pieces to source pieces; people read words. A word is what stands
between white space; in a language written without it, a piece or a character takes its place, and
"word" below means that. With A the piece alignment and shares P (pieces, words), the part of each
piece that lies in each word, the alignment between words is

    W[t, s] = sum_i,j  P_target[i, t] A[i, j] P_source[j, s]  /  sum_i P_target[i, t]

the sum over the source pieces of a word and the mean over its target pieces. What falls on the
source's EOS is no word's and is kept apart, so that a row of W and its EOS mass sum to one.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from nmt.analysis.alignment import Alignment, HeadAlignments
from nmt.errors import DataError, NmtError, nearest

Spans = Sequence[tuple[int, int]]  # character offsets [start, end) of pieces in a text
Unit = Literal["word", "piece", "character"]
UNITS: tuple[Unit, ...] = get_args(Unit)


class Units(NamedTuple):
    """What a column and a row of an alignment stand for.

    word        what stands between white space
    piece       a piece of the vocabulary that has text; the bytes of one character are one
    character   a character that is no white space
    """

    source: Unit = "word"
    target: Unit = "word"


def check_unit(unit: str) -> None:
    """Raises NmtError where a unit is none of UNITS."""
    if unit not in UNITS:
        raise NmtError(f"an alignment has no unit {unit!r}{nearest(unit, UNITS)}")


def word_alignment(
    matrix: np.ndarray,
    source_text: str,
    source_spans: Spans,
    target_text: str,
    target_spans: Spans,
    *,
    source_unit: Unit = "word",
    target_unit: Unit = "word",
    heads: np.ndarray | None = None,
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
      source_unit, target_unit: what is to be a word on each side; see `Units`.
      heads: the piece alignments of every layer and head, (layers, N, T, S).
    Returns:
      The alignment of the texts' words. A piece that reaches over several words is shared among
      them by its characters. An empty span (a lone '▁', the later bytes of a character) belongs to
      the word that it stands in or before; at the end of the source to the last word, at the end
      of the target (EOS, or nothing) to none.
    Raises:
      DataError: the matrix does not fit the spans.
    """
    source = _cut(source_text, source_spans, source_unit)
    target = _cut(target_text, target_spans, target_unit)
    words, eos = _join(np.asarray(matrix, float), source, target)
    if heads is not None:
        heads = HeadAlignments(*_join(np.asarray(heads, float), source, target))
    return Alignment(source.words, target.words, words, eos, heads)


class _Cut(NamedTuple):
    """A text cut into words.

    Attributes:
      words: in their order.
      shares: (pieces, words), which part of each piece lies in each word; every row sums to one if
        there are words at all.
      num_real: how many pieces are left when the empty ones at the end are dropped.
    """

    words: list[str]
    shares: np.ndarray
    num_real: int


def _join(matrices: np.ndarray, source: _Cut, target: _Cut) -> tuple[np.ndarray, np.ndarray]:
    """(..., T, S) of pieces -> (..., T words, S words), and EOS's mass (..., T words)."""
    rows, columns = len(target.shares), len(source.shares) + 1
    if matrices.shape[-2:] not in ((rows, columns), (rows + 1, columns)):
        raise DataError(
            f"the alignment of {rows} target pieces with {columns - 1} source pieces and EOS wants "
            f"a matrix of shape {(rows, columns)}, or one row more; got {matrices.shape[-2:]}"
        )
    shares = target.shares[: target.num_real]
    counts = shares.sum(axis=0)  # T words: how many pieces each is made of
    means = shares.T / np.where(counts > 0, counts, 1)[:, None]  # T words, T pieces
    of_words = means @ matrices[..., : target.num_real, :]  # ..., T words, S pieces
    eos = of_words[..., -1]
    if not source.words:  # only spaces were translated: what fell on their pieces is no word's
        eos = of_words.sum(axis=-1)
    return of_words[..., :-1] @ source.shares, eos


def _cut(text: str, spans: Spans, unit: Unit) -> _Cut:
    """Cuts a text into words; see `_Cut`."""
    words = _word_spans(text, spans, unit)
    starts = np.array([start for start, _ in words], int)
    ends = np.array([end for _, end in words], int)
    shares = np.zeros((len(spans), len(words)))
    if words:
        for row, (start, end) in zip(shares, spans, strict=True):
            overlap = np.minimum(end, ends) - np.maximum(start, starts)  # words
            if overlap.max() > 0:
                row[:] = np.maximum(overlap, 0) / overlap.clip(0).sum()
            else:  # an empty span, or one of spaces alone: the first word not yet over, or the last
                row[min(int((ends < end).sum()), len(words) - 1)] = 1
    num_real = max((i + 1 for i, (start, end) in enumerate(spans) if end > start), default=0)
    return _Cut([text[start:end] for start, end in words], shares, num_real)


def _word_spans(text: str, spans: Spans, unit: Unit) -> list[tuple[int, int]]:
    """The places of the words, in their order."""
    check_unit(unit)
    if unit == "piece":  # the bytes of a character share its place
        return sorted({(start, end) for start, end in spans if text[start:end].strip()})
    pattern = r"\S+" if unit == "word" else r"\S"
    return [match.span() for match in re.finditer(pattern, text)]


def check_same_words(forward: Alignment, reverse: Alignment, line: int) -> None:
    """Makes sure that two alignments of a pair, one in each direction, count the same words.

    Raises:
      DataError: they do not, and so their links cannot be compared or made one; it names the line.
    """
    sides = (
        ("source", forward.source_words, reverse.target_words),
        ("target", forward.target_words, reverse.source_words),
    )
    for side, here, there in sides:
        # One of two models may have composed letters and accents that the other has not.
        if here != there and [*map(_composed, here)] != [*map(_composed, there)]:
            raise DataError(
                f"the two runs link other units of line {line} of the {side} ({len(here)} and "
                f"{len(there)}); with --{side}-unit word or character they link the same"
            )


def _composed(word: str) -> str:
    return unicodedata.normalize("NFC", word)
