"""What a translator gives: a text with its scores, its rivals and its alignment."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from nmt.analysis.alignment import Alignment, HeadAlignments
from nmt.analysis.links import Units
from nmt.config.language_codes import has_spaces
from nmt.config.schema import DataConfig


@dataclass(frozen=True)
class Hypothesis:
    """One of the n best translations of a line.

    Attributes:
      text: the translation.
      score: its log_prob after length normalisation; the sum of these for a line in parts.
      log_prob: summed over its pieces, EOS included.
      alignment: between the words of source and text; None where it was not asked for, where the
        model has no attention and for an empty line. Hypotheses are compared without it.
    """

    text: str
    score: float
    log_prob: float
    alignment: Alignment | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Translation:
    """The translation of a line; in a notebook it shows itself as text and alignment matrix.

    Attributes:
      source: the line as it was given.
      text, score, log_prob: of the best hypothesis; "", 0 and 0 for an empty line.
      hypotheses: the n best, best first; several may have the same text, in other pieces.
      alignment: that of the best hypothesis.
    """

    source: str
    text: str
    score: float
    log_prob: float
    hypotheses: list[Hypothesis] = field(repr=False)
    alignment: Alignment | None = field(default=None, repr=False)

    def _repr_html_(self) -> str:
        """The text, and the matrix as a notebook shows it. No markup of the text survives."""
        shown = f"<p>{html.escape(self.source)}<br><b>{html.escape(self.text)}</b></p>"
        if self.alignment is None:
            return shown
        return shown + self.alignment._repr_mimebundle_().get("text/html", "")


class PartHypothesis(NamedTuple):
    """A hypothesis for a part of a line, perhaps for all of it.

    Attributes:
      text, score, log_prob, alignment: as in `Hypothesis`.
    """

    text: str
    score: float
    log_prob: float
    alignment: Alignment | None


Parts = Sequence[Sequence[PartHypothesis]]  # of each part of a line its hypotheses, best first
Whole = tuple[PartHypothesis, ...]  # a hypothesis of each part


def best_of_parts(parts: Parts, num_hypotheses: int) -> list[Whole]:
    """The n best ways to take a hypothesis of each part, by the sum of their scores, best first.

    The first takes the best of each, whatever n is.
    """
    found: list[Whole] = [()]
    for of_part in parts:
        longer = [(*whole, one) for whole in found for one in of_part]
        found = sorted(longer, key=_score, reverse=True)[:num_hypotheses]
    return found


def samples_of_parts(parts: Parts, seed: int | tuple[int, ...]) -> list[Whole]:
    """Takes each sample of a part with one of the next, by chance, best first.

    Taken in the order of their scores, good ones would meet good ones, and be no samples of the
    whole. There are as many as of the part that has fewest.
    """
    if not parts:
        return [()]
    rng = np.random.default_rng(seed)
    drawn = [[of_part[k] for k in rng.permutation(len(of_part))] for of_part in parts]
    return sorted(zip(*drawn, strict=False), key=_score, reverse=True)


def _score(whole: Whole) -> float:
    return sum((part.score for part in whole), 0.0)


def join_parts(
    line: str,
    wholes: Sequence[Whole],
    words: Sequence[str],
    units: Units,
    *,
    joiner: str = " ",
) -> Translation:
    """The translation of a line from the hypotheses of its parts.

    Args:
      line: as it was given.
      wholes: of `best_of_parts` or `samples_of_parts`; of an empty line the empty one.
      words: of the line as it was translated.
      units: of the alignments of parts, and of the line's.
      joiner: of `joiner_of`.
    """
    hypotheses = [_join(whole, words, units, joiner) for whole in wholes]
    best = hypotheses[0]
    return Translation(line, best.text, best.score, best.log_prob, hypotheses, best.alignment)


def joiner_of(data: DataConfig) -> str:
    """What goes between two parts of a line: nothing where the target is written without spaces."""
    return " " if has_spaces(data.target_language, tokenized=data.tokenized) else ""


def _join(whole: Whole, words: Sequence[str], units: Units, joiner: str) -> Hypothesis:
    """One hypothesis from one of each part."""
    text = joiner.join(part.text for part in whole if part.text)
    log_prob = sum((part.log_prob for part in whole), 0.0)
    alignments = [part.alignment for part in whole if part.alignment is not None]
    alignment = join_alignments(alignments) if alignments else None
    if alignment is not None and units.source == "word":
        alignment = _in_whole_words(alignment, words)
    if len(alignments) > 1 and units.target == "word" and not joiner:
        alignment = _in_whole_target_words(alignment, text.split())
    return Hypothesis(text, _score(whole), log_prob, alignment)


def _in_whole_words(alignment: Alignment, words: Sequence[str]) -> Alignment:
    """Joins the columns of a word that was cut, as one without a space to cut at may be.

    Args:
      alignment: its source words are the line's, but some of them in several pieces.
      words: the line's.
    """
    if list(alignment.source_words) == list(words):
        return alignment
    firsts, heads = _firsts(alignment.source_words, words), alignment.heads
    return replace(
        alignment,
        source_words=list(words),
        matrix=np.add.reduceat(alignment.matrix, firsts, axis=-1),
        heads=heads and replace(heads, matrices=np.add.reduceat(heads.matrices, firsts, axis=-1)),
    )


def _in_whole_target_words(alignment: Alignment, words: Sequence[str]) -> Alignment:
    """Joins the rows of a word that parts make, where nothing goes between them, by their mean.

    Args:
      alignment: its target words are those of the parts.
      words: of the translation.
    """
    if list(alignment.target_words) == list(words):
        return alignment
    firsts, heads = _firsts(alignment.target_words, words), alignment.heads
    counts = np.diff([*firsts, len(alignment.target_words)])[:, None]

    def joined(rows: np.ndarray) -> np.ndarray:
        return np.add.reduceat(rows, firsts, axis=-2) / counts

    def joined_eos(eos: np.ndarray) -> np.ndarray:
        return joined(eos[..., None])[..., 0]

    return replace(
        alignment,
        target_words=list(words),
        matrix=joined(alignment.matrix),
        eos=joined_eos(alignment.eos),
        heads=heads and HeadAlignments(joined(heads.matrices), joined_eos(heads.eos)),
    )


def _firsts(cut: Sequence[str], words: Sequence[str]) -> np.ndarray:
    """Where each word begins among the pieces that some words were cut into."""
    ends = np.cumsum([len(piece) for piece in cut])
    return np.searchsorted(ends, np.cumsum([0, *map(len, words[:-1])]), side="right")


def join_alignments(alignments: Sequence[Alignment]) -> Alignment:
    """The alignment of a line from those of its parts, each target word within its own part."""
    if len(alignments) == 1:
        return alignments[0]
    heads = [part.heads for part in alignments if part.heads is not None]
    return Alignment(
        [word for part in alignments for word in part.source_words],
        [word for part in alignments for word in part.target_words],
        _diagonal([part.matrix for part in alignments]),
        np.concatenate([part.eos for part in alignments]),
        HeadAlignments(
            _diagonal([part.matrices for part in heads]),
            np.concatenate([part.eos for part in heads], axis=-1),
        )
        if heads
        else None,
    )


def _diagonal(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Matrices (..., T, S) one after the other, down and to the right; zeros elsewhere."""
    rows, columns = np.sum([matrix.shape[-2:] for matrix in matrices], axis=0)
    joined = np.zeros((*matrices[0].shape[:-2], rows, columns))
    row = column = 0
    for matrix in matrices:
        num_rows, num_columns = matrix.shape[-2:]
        joined[..., row : row + num_rows, column : column + num_columns] = matrix
        row, column = row + num_rows, column + num_columns
    return joined
