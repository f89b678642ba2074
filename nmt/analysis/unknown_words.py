"""Words that a vocabulary lacks: how many there are, and how well the sentences without them do.

Table 1 of Bahdanau et al. (2015) has a second column: BLEU of the sentences of which neither source
nor reference has an unknown word. Its models may not write the unknown word there either, for which
`search.unknown` is forbid.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from nmt.analysis.scores import Scores, check_pairs, score
from nmt.errors import DataError


@dataclass(frozen=True, kw_only=True)
class UnknownWords:
    """The unknown words of a test set.

    Attributes:
      source, target: their share of all words of the sources and of the references, 0-1; of
        SentencePiece, the share of unknown pieces among all pieces.
      sentences_without: how many pairs have none on either side.
    """

    source: float
    target: float
    sentences_without: int

    def to_dict(self) -> dict[str, float | int]:
        """The fields by name, ready for JSON."""
        return asdict(self)


class UnknownCounts:
    """How many words or pieces of each sentence a vocabulary lacks, for the pairs of a test set."""

    def __init__(self, source: np.ndarray, target: np.ndarray):
        """Holds on to the counts.

        Args:
          source, target: (pairs, 2) of each sentence, its unknown ones and all.
        """
        assert source.shape == target.shape == (len(source), 2)
        self._source, self._target = source, target

    @property
    def has_none(self) -> np.ndarray:
        """(pairs,) bool: whether neither side of a pair has an unknown word."""
        return (self._source[:, 0] == 0) & (self._target[:, 0] == 0)

    @property
    def summary(self) -> UnknownWords:
        """Their shares."""
        return UnknownWords(
            source=_share(self._source),
            target=_share(self._target),
            sentences_without=int(self.has_none.sum()),
        )


def score_without_unknown(
    counts: UnknownCounts,
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    target_language: str,
    tokenized: bool,
) -> Scores | None:
    """Scores the pairs without unknown words as a corpus of their own.

    Args:
      counts: of the pairs.
      hypotheses, references, target_language, tokenized: as in `nmt.analysis.scores.score`.
    Returns:
      the scores; None where each pair has an unknown word.
    Raises:
      DataError: no sentences, or not as many hypotheses, references and counts.
    """
    check_pairs(hypotheses, references)
    if len(counts.has_none) != len(hypotheses):
        raise DataError(
            f"counts of unknown words for each hypothesis are wanted; got {len(counts.has_none)} "
            f"for {len(hypotheses)} hypotheses"
        )
    rows = np.flatnonzero(counts.has_none)
    if not len(rows):
        return None
    sides = ([side[row] for row in rows] for side in (hypotheses, references))
    return score(*sides, target_language=target_language, tokenized=tokenized)


def _share(counts: np.ndarray) -> float:
    unknown, words = counts.sum(axis=0)
    return float(unknown / max(words, 1))
