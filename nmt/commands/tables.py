"""Scores in columns, as commands print them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from nmt.config.language_codes import has_spaces
from nmt.config.schema import DataConfig

if TYPE_CHECKING:
    from nmt.analysis.by_length import LengthBucket

SCORES = {  # what the scores are called in tables, by their names in `Scores`
    "bleu": "BLEU",
    "chrf": "chrF",
    "ter": "TER",
    "bleu_tokenized_lowercase": "BLEU tokenised, lowercased",
}
_OF_BUCKETS = ("bleu", "chrf", "bleu_tokenized_lowercase")


def columns(rows: Sequence[Sequence[str]], *, texts: int = 1) -> list[str]:
    """The rows as lines; so many first columns are texts and begin at the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place < texts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def length_table(
    heading: str, buckets: Iterable[tuple[str, "LengthBucket"]], unit: str
) -> list[str]:
    """Scores in buckets of source length, a line each.

    Args:
      heading: of the first column.
      buckets: each with the name of what was scored.
      unit: what the lengths count; see `length_unit`.
    """
    rows = [[heading, f"source {unit}", "sentences", *(SCORES[name] for name in _OF_BUCKETS)]]
    for name, bucket in buckets:
        few = " (few)" if bucket.count and bucket.is_small else ""
        scores = [_two_digits(getattr(bucket, score)) for score in _OF_BUCKETS]
        rows.append([name, bucket.label, f"{bucket.count}{few}", *scores])
    return columns(rows, texts=2)


def length_unit(data: DataConfig) -> str:
    """What `count_words` counts in the source language of a corpus."""
    is_spaced = has_spaces(data.source_language, tokenized=data.tokenized)
    return "words" if is_spaced else "characters"


def signature_lines(signatures: Mapping[str, str]) -> list[str]:
    """How each score was counted: signatures by the names of the scores."""
    return [f"{SCORES[name]}: {signature}" for name, signature in signatures.items()]


def _two_digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
