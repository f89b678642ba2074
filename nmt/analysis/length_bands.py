"""How sure BLEU of short and of long sentences is: bands of a bootstrap around its curve."""

from collections.abc import Sequence

from nmt.analysis.by_length import DEFAULT_EDGES, FEWEST, check_lengths, rows_by_length
from nmt.analysis.scores import check_pairs, measures
from nmt.analysis.significance import NUM_SAMPLES, Resampled, check_num_samples, resampled
from nmt.errors import DataError


def bleu_bands(
    lengths: Sequence[int],
    systems: Sequence[Sequence[str]],
    references: Sequence[str],
    edges: Sequence[int] = DEFAULT_EDGES,
    *,
    target_language: str,
    tokenized: bool,
    tokenized_lowercase: bool = False,
    num_samples: int = NUM_SAMPLES,
) -> list[list[Resampled | None]]:
    """Draws the sentences of each bucket of lengths anew, with replacement, within the bucket.

    Args:
      lengths: of the sources, as in `scores_by_length`.
      systems: the hypotheses of each, for the same sources; the first is the baseline.
      references: what they should have been, in the same order.
      edges: as in `scores_by_length`.
      target_language, tokenized: as in `nmt.analysis.scores.score`.
      tokenized_lowercase: resamples `bleu_tokenized_lowercase` instead of `bleu`.
      num_samples: drawn for each bucket.
    Returns:
      For each system and each of the len(edges) + 1 buckets what resampling says of its BLEU; None
      where the bucket has too few sentences for a score.
    Raises:
      DataError: the lists differ in length or are empty; the edges do not rise; more is to be drawn
        than fits into memory.
    """
    if not systems:
        raise DataError("nothing to resample: there are no systems")
    for hypotheses in systems:
        check_pairs(hypotheses, references)
        check_lengths(lengths, hypotheses)
    check_num_samples(num_samples, len(references))
    name = "bleu_tokenized_lowercase" if tokenized_lowercase else "bleu"
    kinds = {kind.name: kind for kind in measures(target_language, tokenized=tokenized)}
    bands: list[list[Resampled | None]] = [[] for _ in systems]
    for rows in rows_by_length(lengths, edges):
        of_systems: Sequence[Resampled | None] = [None] * len(systems)
        if len(rows) >= FEWEST:
            of_bucket = [[hypotheses[row] for row in rows] for hypotheses in systems]
            of_references = [references[row] for row in rows]
            of_systems, _ = resampled(kinds[name], of_bucket, of_references, num_samples)
        for of_system, of_rows in zip(bands, of_systems, strict=True):
            of_system.append(of_rows)
    return bands
