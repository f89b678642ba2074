"""Word links as links between pieces: what guided alignment compares a batch's alignment with.

A link of two words links every piece of the one with every piece of the other:

    words     the | red house        links   0-0 2-1
    pieces    ▁the ▁re d ▁house      rouge = ▁rou ge links  ▁re, d  with  ▁rou, ge

The pieces are those of the batch, however subword sampling has cut them. A piece belongs to one
word, and every word begins with the mark of a space, so the word of a piece is the number of such
marks up to it: nothing is kept but the links themselves.
"""

import numpy as np

from nmt.data.ragged import Ragged
from nmt.data.vocabulary import Vocabularies, Vocabulary


class PieceLinks:
    """The word links of a split's pairs, ready for batches."""

    def __init__(self, links: Ragged, vocabularies: Vocabularies):
        """Holds on to the links.

        Args:
          links: of each pair (2 x links,) int32: source word, target word, source word, ...
          vocabularies: of the two sides.
        """
        self.links, self.vocabularies = links, vocabularies

    def matrices(self, indices: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Which pieces of a batch are linked.

        Args:
          indices: (B,) of the pairs, negative for rows of filler, which have no links.
          source: (B, S) pieces with EOS and PAD.
          target: (B, T) pieces with EOS and PAD.
        Returns:
          (B, T, S) bool; a piece of a word without links, EOS and PAD have none.
        """
        source_words = words_of_pieces(source, self.vocabularies.source)  # B S
        target_words = words_of_pieces(target, self.vocabularies.target)  # B T
        # One more than there are words: the last row and column stand for "no word", -1.
        shape = len(indices), target_words.max() + 2, source_words.max() + 2
        rows, source_ends, target_ends = self._flat(indices)
        fits = (source_ends < shape[2] - 1) & (target_ends < shape[1] - 1)
        linked = np.zeros(shape, bool)
        linked[rows[fits], target_ends[fits], source_ends[fits]] = True
        batch = np.arange(len(indices))[:, None, None]
        return linked[batch, target_words[:, :, None], source_words[:, None, :]]

    def _flat(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All links of the pairs: row of the batch, source word, target word, (links,) each."""
        of_rows = [self.links[i] if i >= 0 else np.empty(0, np.int32) for i in indices]
        rows = np.repeat(np.arange(len(indices)), [len(flat) // 2 for flat in of_rows])
        flat = np.concatenate(of_rows)
        return rows, flat[::2], flat[1::2]


def words_of_pieces(pieces: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """The word that each piece belongs to, from 0; -1 for EOS and PAD.

    Args:
      pieces: (..., length), sentences of whole words.
      vocabulary: of the pieces.
    Returns:
      (..., length) int.
    """
    words = np.cumsum(vocabulary.begins_word[pieces], axis=-1) - 1
    special = (pieces == vocabulary.eos_id) | (pieces == vocabulary.pad_id)
    return np.where(special, -1, words)
