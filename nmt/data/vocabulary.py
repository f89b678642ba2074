"""Text to pieces and back: the contract that models and search know.

SentencePiece (sentencepiece_vocabulary.py) and a list of words (word_vocabulary.py) stand behind
it; vocabularies.py makes and reads those of a run.

What is kept of a text: its words, exactly, and where they end; not the white space between them.

    decode(encode(text)) == " ".join(text.split())       where every character is known

So text is expected in Unicode form C already (cleaning sees to that) and nothing else about it
is changed: no case folding, no compatibility forms. White space is what white_space.py says. A
piece never spans two words. What no piece covers is the unknown piece.
"""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

Span = tuple[int, int]  # [start, end), in characters


class SpecialPieces(NamedTuple):
    """The ids that frame a sentence, the same on both sides."""

    pad_id: int
    bos_id: int
    eos_id: int


class Pieces(NamedTuple):
    """A text as pieces, without EOS.

    Attributes:
      ids, pieces: of each piece, its id and its name.
      spans: its place in the text, without spaces. A lone "▁" has an empty span at the start of
        the word after it; each byte of a character has the whole character's span.
    """

    ids: list[int]
    pieces: list[str]
    spans: list[Span]


class DecodedText(NamedTuple):
    """The text that ids stand for.

    Attributes:
      text: words with single spaces between them.
      pieces: the name of each id.
      spans: the place of each id in the text, as in `Pieces`; empty for BOS and PAD, and empty
        at the end of the text for EOS and whatever follows it.
    """

    text: str
    pieces: list[str]
    spans: list[Span]


class Vocabulary(ABC):
    """What the rest of the project knows of a vocabulary."""

    pad_id: int
    unk_id: int
    bos_id: int
    eos_id: int

    @property
    def special(self) -> SpecialPieces:
        """The ids that frame a sentence."""
        return SpecialPieces(self.pad_id, self.bos_id, self.eos_id)

    @property
    @abstractmethod
    def content(self) -> bytes:
        """What its file holds; two vocabularies are the same only where it is."""

    @property
    @abstractmethod
    def begins_word(self) -> np.ndarray:
        """(pieces,) bool, by id: whether a word begins with the piece, of which it has just one."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of pieces."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The ids of a text, without EOS."""

    @abstractmethod
    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The ids of many texts, each (length,) int32, without EOS; much faster than a loop."""

    @abstractmethod
    def encode_sampled(self, texts: Sequence[str], seed: int, alpha: float) -> list[np.ndarray]:
        """One random segmentation of each text, (length,) int32, without EOS.

        Args:
          texts: what the ids decode to, as do those of `encode_batch`.
          seed: 0 or more; texts, seed and alpha decide the result, whatever was drawn before.
          alpha: above 0, at most 1; what it means and which way it acts depends on the kind.
        """

    @abstractmethod
    def encode_with_spans(self, text: str) -> Pieces:
        """The ids of a text and where each stands in it."""

    @abstractmethod
    def decode_with_spans(
        self, ids: Sequence[int], unknown: Sequence[str] | None = None
    ) -> DecodedText:
        """The text of any ids, up to the first EOS, and where each id stands in it.

        Args:
          ids: any.
          unknown: what to write for each unknown piece before EOS, in their order; None writes
            the mark that the vocabulary has for it.
        """

    def decode(self, ids: Sequence[int], unknown: Sequence[str] | None = None) -> str:
        """The text of any ids, up to the first EOS; BOS and PAD are ignored."""
        return self.decode_with_spans(ids, unknown).text

    @property
    def description(self) -> str:
        """Its size, in words."""
        return f"{len(self)} pieces"

    @property
    def fingerprint(self) -> str:
        """The same for two vocabularies only where they are the same: a sha256."""
        return hashlib.sha256(self.content).hexdigest()

    def save(self, path: Path) -> None:
        """Writes the vocabulary to a file, whole or not at all."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(self.content)
        os.replace(partial, path)


class Vocabularies(NamedTuple):
    """One vocabulary for each side; the same object twice when it is joint."""

    source: Vocabulary
    target: Vocabulary

    @property
    def fingerprint(self) -> str:
        """The same for two pairs of vocabularies only where they are the same."""
        both = f"{self.source.fingerprint} {self.target.fingerprint}"
        return hashlib.sha256(both.encode()).hexdigest()
