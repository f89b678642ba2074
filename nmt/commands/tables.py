"""Scores in columns, as commands print them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

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
    heading: str, buckets: Iterable[tuple[str, "LengthBucket"]], source_language: str
) -> list[str]:
    """Scores in buckets of source length, a line each.

    Args:
      heading: of the first column.
      buckets: each with the name of what was scored.
      source_language: whose sentences the lengths are of.
    """
    unit = length_unit(source_language)
    rows = [[heading, f"source {unit}", "sentences", *(SCORES[name] for name in _OF_BUCKETS)]]
    for name, bucket in buckets:
        few = " (few)" if bucket.count and bucket.is_small else ""
        scores = [_two_digits(getattr(bucket, score)) for score in _OF_BUCKETS]
        rows.append([name, bucket.label, f"{bucket.count}{few}", *scores])
    return columns(rows, texts=2)


def length_unit(source_language: str) -> str:
    """What `count_words` counts in a language."""
    from nmt.data.cleaning import count_words

    return "words" if count_words("ab", source_language) == 1 else "characters"


def signature_lines(signatures: Mapping[str, str]) -> list[str]:
    """How each score was counted: signatures by the names of the scores."""
    return [f"{SCORES[name]}: {signature}" for name, signature in signatures.items()]


def _two_digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
