"""Encoded corpora: the ids of every pair in flat arrays (see ragged.py), mapped from files.

Encoding goes through a split part by part, so neither its text nor its ids are ever in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmt.data.progress import Check, counting, no_check
from nmt.data.ragged import Ragged, RaggedWriter
from nmt.data.splits import Split
from nmt.data.stages import stage
from nmt.data.streams import in_parts
from nmt.data.text_files import text_if_whole
from nmt.data.vocabulary import Vocabularies, Vocabulary
from nmt.errors import DataError

FINGERPRINT_FILE = "fingerprint.txt"


@dataclass(frozen=True)
class EncodedPairs:
    """A split as ids: every sequence of both sides ends with EOS and has no BOS."""

    source: Ragged
    target: Ragged

    def __post_init__(self):
        assert len(self.source) == len(self.target)

    def __len__(self) -> int:
        return len(self.source)

    @classmethod
    def load(cls, folder: Path) -> "EncodedPairs":
        """Maps the arrays of a folder into memory; DataError where they are missing or damaged."""
        sides = [Ragged.load(folder, side, np.int32) for side in ("source", "target")]
        if len(sides[0]) != len(sides[1]):
            raise DataError(
                f"the two sides in {folder} must have as many sentences; "
                f"got {len(sides[0])} and {len(sides[1])}"
            )
        return cls(*sides)


def write_encoded(
    folder: Path,
    split: Split,
    vocabularies: Vocabularies,
    fingerprint: str = "",
    check: Check = no_check,
) -> None:
    """Encodes a split of any size into a folder, which `EncodedPairs.load` opens.

    Args:
      folder: appears whole or not at all; what was there before goes.
      split: the text.
      vocabularies: of the two sides.
      fingerprint: of the text and the vocabularies; `saved_fingerprint` gives it back.
      check: called after each part; what it raises ends the work.
    """
    with (
        stage(Path(folder)) as beside,
        counting("encoding", check) as advance,
        RaggedWriter(beside, "source", np.int32) as source,
        RaggedWriter(beside, "target", np.int32) as target,
    ):
        for part in in_parts(split.name, zip(split.source, split.target, strict=True)):
            source.append(encode_lines(part.source, vocabularies.source))
            target.append(encode_lines(part.target, vocabularies.target))
            advance(len(part))
        (beside / FINGERPRINT_FILE).write_text(fingerprint, encoding="utf-8")


def encode_pairs(
    source_texts: Sequence[str], target_texts: Sequence[str], vocabularies: Vocabularies
) -> EncodedPairs:
    """Encodes a split in memory; both sides get EOS at the end of every sentence.

    Args:
      source_texts, target_texts: as many lines on both sides.
      vocabularies: of the two sides.
    Returns:
      the pairs, in order; an empty line is EOS alone.
    """
    return EncodedPairs(
        encode_lines(source_texts, vocabularies.source),
        encode_lines(target_texts, vocabularies.target),
    )


def encode_lines(texts: Sequence[str], vocabulary: Vocabulary) -> Ragged:
    """Encodes one side of a split, with EOS at the end of every sentence."""
    encoded = vocabulary.encode_batch(texts)
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded)) + 1
    end = np.array([vocabulary.eos_id], np.int32)
    values = [np.empty(0, np.int32), *(part for ids in encoded for part in (ids, end))]
    return Ragged(np.concatenate(values), np.concatenate([[0], np.cumsum(lengths)]))


def within(pairs: EncodedPairs, max_pieces: int | None) -> np.ndarray:
    """The pairs to train on: indices of those with at most `max_pieces` on each side, EOS counted.

    Args:
      pairs: N of them.
      max_pieces: None keeps all.
    Returns:
      (kept,) ascending, int32 where that is enough for N.
    """
    index_type = np.int32 if len(pairs) <= np.iinfo(np.int32).max else np.int64
    if max_pieces is None:
        return np.arange(len(pairs), dtype=index_type)
    fits = (pairs.source.lengths <= max_pieces) & (pairs.target.lengths <= max_pieces)
    return np.flatnonzero(fits).astype(index_type)


def saved_fingerprint(folder: Path) -> str | None:
    """The fingerprint that a folder's arrays were saved with; None where they are not whole."""
    return text_if_whole(Path(folder) / FINGERPRINT_FILE)
