"""Scores of short and of long sentences apart: figure 2 of Bahdanau et al. (2015)."""

import bisect
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from nmt.analysis.scores import check_pairs, measures
from nmt.errors import DataError

DEFAULT_EDGES = (10, 20, 30, 40, 50)
FEWEST = 10  # sentences; a corpus score of fewer is noise


@dataclass(frozen=True, kw_only=True)
class LengthBucket:
    """The sentences whose source has `lower` to `upper` words, both included.

    Attributes:
      upper: None for the last bucket, which has no end.
      count: sentences in it.
      bleu, bleu_tokenized_lowercase, chrf: as in `Scores`; None where the bucket is empty.
    """

    lower: int
    upper: int | None
    count: int
    bleu: float | None
    bleu_tokenized_lowercase: float | None
    chrf: float | None

    @property
    def label(self) -> str:
        """Such as '11-20', or '31+' for the last."""
        return f"{self.lower}+" if self.upper is None else f"{self.lower}-{self.upper}"

    @property
    def is_small(self) -> bool:
        """Whether it has too few sentences, or none, for its scores to say anything."""
        return self.count < FEWEST

    def to_dict(self) -> dict[str, float | int | None]:
        """The fields by name, ready for JSON."""
        return asdict(self)


def scores_by_length(
    lengths: Sequence[int],
    hypotheses: Sequence[str],
    references: Sequence[str],
    edges: Sequence[int] = DEFAULT_EDGES,
    *,
    target_language: str,
    tokenized: bool,
) -> list[LengthBucket]:
    """Scores the sentences of each range of lengths as a corpus of their own.

    Args:
      lengths: of the sources: their words, as `nmt.data.cleaning.count_words` counts them.
      hypotheses: translations of the sources, in their order.
      references: what they should have been, in their order.
      edges: rising; edge e ends a bucket, so that (20,) makes 0-20 and 21+.
      target_language, tokenized: as in `nmt.analysis.scores.score`.
    Returns:
      len(edges) + 1 buckets, shortest first, the empty ones included.
    Raises:
      DataError: the lists differ in length or are empty, or the edges do not rise.
    """
    check_pairs(hypotheses, references)
    check_lengths(lengths, hypotheses)
    members = rows_by_length(lengths, edges)
    scores = _scores_of_rows(members, hypotheses, references, target_language, tokenized)
    lowest, highest = [0, *(edge + 1 for edge in edges)], [*edges, None]
    return [
        LengthBucket(lower=lower, upper=upper, count=len(rows), **of_bucket)
        for rows, lower, upper, of_bucket in zip(members, lowest, highest, scores, strict=True)
    ]


def check_lengths(lengths: Sequence[int], hypotheses: Sequence[str]) -> None:
    """Raises DataError unless there is a length for each hypothesis."""
    if len(lengths) != len(hypotheses):
        raise DataError(
            f"one length for each hypothesis is wanted; got {len(lengths)} lengths and "
            f"{len(hypotheses)} hypotheses"
        )


def rows_by_length(lengths: Sequence[int], edges: Sequence[int]) -> list[list[int]]:
    """The sentences of each bucket, as indices of `lengths`; see `scores_by_length`.

    Raises:
      DataError: the edges do not rise.
    """
    if any(low >= high for low, high in zip([-1, *edges], edges, strict=False)):
        raise DataError(f"edges of length buckets must rise from 0 or more; got {list(edges)}")
    members: list[list[int]] = [[] for _ in range(len(edges) + 1)]
    for row, length in enumerate(lengths):
        members[bisect.bisect_left(edges, length)].append(row)
    return members


def _scores_of_rows(
    members: list[list[int]],
    hypotheses: Sequence[str],
    references: Sequence[str],
    target_language: str,
    tokenized: bool,
) -> list[dict[str, float | None]]:
    """The scores of each bucket by name; every line is prepared once, whatever its bucket."""
    scores: list[dict[str, float | None]] = [{} for _ in members]
    for measure in measures(target_language, tokenized=tokenized):
        if measure.name == "ter":  # the slowest by far, and figure 2 has none
            continue
        sides = measure.prepared(hypotheses), measure.prepared(references)
        for rows, of_bucket in zip(members, scores, strict=True):
            texts = ([side[row] for row in rows] for side in sides)
            of_bucket[measure.name] = measure.of_prepared(*texts) if rows else None
    return scores
