"""Random segmentations of texts with a SentencePiece model's pieces, and random numbers of ours."""

from collections.abc import Sequence

import numpy as np
import sentencepiece

from nmt.data.segmentation import BytePairs, Random, Unigram
from nmt.data.white_space import SPACE_MARK


class PieceSampler:
    """Draws segmentations as the model's kind has them: unigram or BPE."""

    def __init__(self, processor: sentencepiece.SentencePieceProcessor):
        """Reads the pieces and their scores."""
        self._processor, self._unk_id = processor, processor.unk_id()
        ids = range(processor.get_piece_size())
        self._byte_ids = [i for i in ids if processor.is_byte(i)]  # all 256 in order, or none
        kinds = processor.is_control, processor.is_unknown, processor.is_unused
        self._ids = {  # a text may hold the name of any other, such as "</s>"
            processor.id_to_piece(i): i for i in ids if not any(is_kind(i) for is_kind in kinds)
        }
        scores = {
            piece: processor.get_score(i)
            for piece, i in self._ids.items()
            if not processor.is_byte(i)
        }
        is_unigram = _is_unigram(processor)
        self._words = Unigram(scores) if is_unigram else BytePairs(scores, self._units)

    def draw(self, texts: Sequence[str], alpha: float, random: Random) -> list[np.ndarray]:
        """One segmentation of each text, (length,) int32; texts with plain spaces only."""
        return [np.array(self._draw(text, alpha, random), np.int32) for text in texts]

    def _draw(self, text: str, alpha: float, random: Random) -> list[int]:
        ids = []
        for word in text.split():
            for piece in self._words.draw(SPACE_MARK + word, alpha, random):
                if piece in self._ids:
                    ids.append(self._ids[piece])
                elif self._byte_ids:
                    ids += [self._byte_ids[byte] for byte in piece.encode()]
                elif not ids or ids[-1] != self._unk_id:  # one for a run of unknown characters
                    ids.append(self._unk_id)
        return ids

    def _units(self, word: str) -> list[str]:
        """What merges begin with; a dropout of 1 leaves SentencePiece nothing to draw."""
        return self._processor.encode(
            word.removeprefix(SPACE_MARK),
            return_type=str,
            enable_sampling=True,
            nbest_size=-1,
            alpha=1.0,
        )


def _is_unigram(processor: sentencepiece.SentencePieceProcessor) -> bool:
    """Nothing else tells the kind of a model: a BPE model has no second best segmentation."""
    try:
        processor.nbest_encode("a", nbest_size=2)
    except RuntimeError:
        return False
    return True
