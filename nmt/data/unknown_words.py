"""The words of texts that a vocabulary does not know, counted."""

from collections.abc import Sequence

import numpy as np

from nmt.analysis.unknown_words import UnknownCounts
from nmt.data.cleaning import to_nfc
from nmt.data.vocabulary import Vocabularies, Vocabulary


def count_unknown(
    source_texts: Sequence[str],
    target_texts: Sequence[str],
    vocabularies: Vocabularies,
    *,
    nfc: bool,
) -> UnknownCounts:
    """Counts the unknown words of pairs; of SentencePiece, unknown pieces among all pieces.

    Args:
      source_texts, target_texts: as many lines on both sides.
      vocabularies: of the two sides.
      nfc: whether the training text was composed, and so these are before they are looked at.
    """
    return UnknownCounts(
        _counts(source_texts, vocabularies.source, nfc),
        _counts(target_texts, vocabularies.target, nfc),
    )


def _counts(texts: Sequence[str], vocabulary: Vocabulary, nfc: bool) -> np.ndarray:
    """(texts, 2): unknown ones, and all."""
    encoded = vocabulary.encode_batch([to_nfc(text) if nfc else text for text in texts])
    counts = [(np.count_nonzero(ids == vocabulary.unk_id), len(ids)) for ids in encoded]
    return np.array(counts, int).reshape(-1, 2)
