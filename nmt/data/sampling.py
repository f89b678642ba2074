"""Subword sampling: in training, another segmentation of a sentence each time that it is seen.

Kudo (2018), "Subword regularization", for unigram vocabularies; Provilkov et al. (2020),
"BPE-dropout", for BPE. The text stays what it is; only where it comes apart into pieces changes:

    canonical   ▁un related ▁words      sampled   ▁un re lat ed ▁word s

A draw is mostly longer than the canonical pieces, so the shapes of batches are planned with longer
lengths than those. Shapes that fit the canonical pieces closely would refuse many of the draws,
and those that fit would be the short ones.
"""

from collections.abc import Sequence

import numpy as np

from nmt.data.encoding import EncodedPairs
from nmt.data.ragged import Ragged
from nmt.data.shapes import Shape
from nmt.data.splits import sample
from nmt.data.vocabulary import Vocabularies, Vocabulary

_MEASURED = 2000  # sentences that tell how much longer a draw is
_ROOM = 0.8  # of them fit once canonical lengths are stretched; of all, then, about 0.95


class SubwordSampler:
    """Draws the pieces of training pairs from their text; a draw leaves no trace.

    Attributes:
      lengths: of source and target, (N,) int32 each: what to plan the shapes of batches with.
        They have room for most draws, EOS counted, and always for the canonical pieces.
    """

    def __init__(
        self,
        pairs: EncodedPairs,
        source_texts: Sequence[str],
        target_texts: Sequence[str],
        vocabularies: Vocabularies,
        *,
        alpha: float,
        max_pieces: int | None = None,
    ):
        """Holds on to the text, and measures how much longer its draws are.

        Args:
          pairs: the canonical pieces.
          source_texts, target_texts: of the pairs, in their order.
          vocabularies: of the two sides.
          alpha: see `Vocabulary.encode_sampled`.
          max_pieces: the longest that a draw may be, EOS counted.
        """
        assert len(source_texts) == len(target_texts) == len(pairs)
        self.pairs, self.vocabularies, self.alpha = pairs, vocabularies, alpha
        self.max_pieces = max_pieces
        self.source_texts, self.target_texts = source_texts, target_texts
        self.lengths = (
            self._stretched(pairs.source, source_texts, vocabularies.source),
            self._stretched(pairs.target, target_texts, vocabularies.target),
        )

    def sample(self, indices: np.ndarray, shape: Shape, seeds: Sequence[int]) -> EncodedPairs:
        """Draws pieces for some of the pairs.

        Args:
          indices: (drawn,) of the pairs.
          shape: a side that the draw makes longer than this keeps its canonical pieces.
          seeds: 0 or more each; the result depends on them and the other arguments alone.
        Returns:
          the pairs of these indices, in their order, with EOS at the end of both sides.
        """
        source_seed, target_seed = np.random.SeedSequence(seeds).generate_state(2).tolist()
        pairs, (source, target) = self.pairs, self.vocabularies
        return EncodedPairs(
            self._side(pairs.source, self.source_texts, source, indices, shape.source, source_seed),
            self._side(pairs.target, self.target_texts, target, indices, shape.target, target_seed),
        )

    def _side(
        self,
        canonical: Ragged,
        texts: Sequence[str],
        vocabulary: Vocabulary,
        indices: np.ndarray,
        length: int,
        seed: int,
    ) -> Ragged:
        drawn = vocabulary.encode_sampled([texts[i] for i in indices], seed, self.alpha)
        return Ragged.from_arrays(
            [
                np.append(ids, vocabulary.eos_id) if len(ids) < length else canonical[i]
                for i, ids in zip(indices, drawn, strict=True)
            ]
        )

    def _stretched(
        self, canonical: Ragged, texts: Sequence[str], vocabulary: Vocabulary
    ) -> np.ndarray:
        fitting = canonical.lengths <= (self.max_pieces or np.inf)  # others are not trained on
        measured = list(sample(np.flatnonzero(fitting), _MEASURED))
        drawn = vocabulary.encode_sampled([texts[i] for i in measured], 0, self.alpha)
        ratios = [(len(d) + 1) / len(canonical[i]) for i, d in zip(measured, drawn, strict=True)]
        stretch = max(1.0, np.quantile(ratios, _ROOM)) if ratios else 1.0
        lengths = np.ceil(canonical.lengths * stretch).astype(np.int32)
        if self.max_pieces is None:
            return lengths
        return np.minimum(lengths, np.maximum(canonical.lengths, self.max_pieces))
