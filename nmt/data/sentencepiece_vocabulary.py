"""A SentencePiece model as a vocabulary.

Pieces carry the space before them ("▁the"); a word may come apart into several pieces. A character
that no piece covers is spelt in its UTF-8 bytes where the model has byte fallback; elsewhere it
becomes the unknown piece, one for a run of such characters, which reads back as " ⁇ ".
"""

import itertools
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from random import Random

import numpy as np
import sentencepiece

from nmt.data.sentencepiece_sampling import PieceSampler
from nmt.data.sentencepiece_training import UNKNOWN
from nmt.data.vocabulary import DecodedText, Pieces, Span, Vocabulary
from nmt.data.white_space import REPLACEMENT, SPACE_MARK, plain
from nmt.errors import DataError


class SentencePieceVocabulary(Vocabulary):
    """A SentencePiece model, BPE or unigram (Sennrich et al. 2016; Kudo and Richardson 2018)."""

    def __init__(self, model: bytes, name: str = "the vocabulary"):
        """Reads a model.

        Args:
          model: the content of a model file.
          name: what error messages call it.
        Raises:
          DataError: it is no SentencePiece model, or lacks one of the four special pieces.
        """
        self._model = model
        self._processor = _processor(model, name)
        self.pad_id = self._processor.pad_id()
        self.unk_id = self._processor.unk_id()
        self.bos_id = self._processor.bos_id()
        self.eos_id = self._processor.eos_id()
        if min(self.pad_id, self.unk_id, self.bos_id, self.eos_id) < 0:
            raise DataError(
                f"{name} must have the pieces pad, unk, bos and eos; their ids are "
                f"{self.pad_id}, {self.unk_id}, {self.bos_id} and {self.eos_id} (-1: absent)"
            )
        ids, is_byte = range(len(self)), self._processor.is_byte
        self._names = [self._processor.id_to_piece(i) for i in ids]
        self._surfaces = [self._surface(i) for i in ids]
        self._bytes = [int(self._names[i][1:-1], 16) if is_byte(i) else None for i in ids]

    @classmethod
    def from_file(cls, path: Path) -> "SentencePieceVocabulary":
        """Reads a model file; DataError where it cannot be read or is no such file."""
        try:
            return cls(Path(path).read_bytes(), str(path))
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error

    @property
    def content(self) -> bytes:
        """The model file."""
        return self._model

    @cached_property
    def begins_word(self) -> np.ndarray:
        """(pieces,) bool: the pieces that carry a space before them, a lone "▁" among them."""
        return np.array([name.startswith(SPACE_MARK) for name in self._names])

    def __len__(self) -> int:
        return self._processor.get_piece_size()

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without EOS."""
        return self._processor.encode(plain(text), return_type=int)

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The ids of many texts, each (length,) int32, without EOS."""
        if not len(texts):
            return []
        return self._processor.encode([plain(text) for text in texts], return_type="numpy")

    def encode_sampled(self, texts: Sequence[str], seed: int, alpha: float) -> list[np.ndarray]:
        """One random segmentation of each text, (length,) int32, without EOS.

        A unigram model draws with probability proportional to p ** alpha: the smaller alpha, the
        flatter. In a BPE model alpha is the dropout probability: the larger, the smaller pieces.
        """
        return self._sampler.draw([plain(text) for text in texts], alpha, Random(seed).random)

    def encode_with_spans(self, text: str) -> Pieces:
        """The ids of a text and where each stands in it."""
        spaced = plain(text)
        mapping = self._processor.encode(spaced, return_type="offset_mapping")
        ids, pieces = list(mapping["ids"]), list(mapping["pieces"])
        spans = []
        following = (len(spaced), len(spaced))
        for i, (start, end) in reversed(list(zip(ids, mapping["offsets"], strict=True))):
            if start == end and self._bytes[i] is not None:
                start, end = following  # SentencePiece gives a character to its last byte
            following = _strip(spaced, start, end)
            spans.append(following)
        return Pieces(ids, pieces, spans[::-1])

    def decode_with_spans(
        self, ids: Sequence[int], unknown: Sequence[str] | None = None
    ) -> DecodedText:
        """The text of any ids, up to the first EOS, and where each id stands in it.

        Bytes that are no UTF-8 read as U+FFFD.
        """
        ids = [int(i) for i in ids]
        length = ids.index(self.eos_id) if self.eos_id in ids else len(ids)
        text, spans = _join(self._characters(ids[:length], unknown), length)
        spans += [(len(text), len(text))] * (len(ids) - length)
        return DecodedText(text, [self._names[i] for i in ids], spans)

    @cached_property
    def _sampler(self) -> PieceSampler:
        return PieceSampler(self._processor)

    def _surface(self, i: int) -> str:
        if self._processor.is_unknown(i):
            return UNKNOWN
        return "" if self._processor.is_control(i) else plain(self._names[i])

    def _characters(self, ids: list[int], unknown: Sequence[str] | None) -> list[tuple[str, range]]:
        """The characters of ids, and which of the ids each of them comes from."""
        characters, written = [], iter(unknown or ())
        spelt = [self._bytes[i] is not None for i in ids]
        start = 0
        for is_bytes, run in itertools.groupby(spelt):
            length = len(list(run))
            if is_bytes:  # together, as a character may take several
                content = bytes(self._bytes[i] for i in ids[start : start + length])
                for character, size in _utf8(content):
                    characters.append((plain(character), range(start, start + size)))
                    start += size
                continue
            for position in range(start, start + length):
                owner, surface = range(position, position + 1), self._surfaces[ids[position]]
                if unknown is not None and ids[position] == self.unk_id:
                    surface = f" {plain(next(written))} "
                characters += [(c, owner) for c in surface]
            start += length
        return characters


def _processor(model: bytes, name: str) -> sentencepiece.SentencePieceProcessor:
    try:
        if not model:  # SentencePiece takes an empty file for an empty model
            raise RuntimeError
        return sentencepiece.SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise DataError(f"{name} is no SentencePiece model") from error


def _strip(text: str, start: int, end: int) -> Span:
    """A span without the spaces at its ends; a span of spaces is an empty one at the next word."""
    while start < end and text[end - 1] == " ":
        end -= 1
    while start < len(text) and text[start] == " ":
        start += 1
    return start, max(start, end)


def _utf8(content: bytes) -> list[tuple[str, int]]:
    """The characters of bytes and how many bytes each takes; U+FFFD for a byte out of place."""
    characters = []
    while content:
        for size in range(1, 5):
            try:
                characters.append((content[:size].decode(), size))
                break
            except UnicodeDecodeError:
                continue
        else:
            size = 1
            characters.append((REPLACEMENT, size))
        content = content[size:]
    return characters


def _join(characters: list[tuple[str, range]], length: int) -> tuple[str, list[Span]]:
    """Text with single spaces, and the span in it of each of `length` ids."""
    text, starts, ends = [], {}, {}
    space = False  # one is due before the next character
    for character, owners in characters:
        if character == " ":
            space = bool(text)
            continue
        if space:
            text.append(" ")
            space = False
        for position in owners:
            starts.setdefault(position, len(text))
            ends[position] = len(text) + 1
        text.append(character)
    spans, following = [], len(text)
    for position in reversed(range(length)):  # an id without characters is put before the next
        following = starts.get(position, following)
        spans.append((following, ends.get(position, following)))
    return "".join(text), spans[::-1]
