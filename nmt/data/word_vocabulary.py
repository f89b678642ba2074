"""A list of the most frequent words as a vocabulary; every other word is one unknown piece.

Bahdanau et al. (2015) know 30,000 words of each language. Here too a word is one piece and a piece
one word, so a run of unknown words is as many unknown pieces (in a SentencePiece model of words it
would be one). The unknown piece reads back as "UNK", and a "UNK" in a text is unknown. To every
scorer that is one wrong word, where "<unk>" would be three to most of them.

The file is text in UTF-8. Its first line tells how many words it has, how many running words the
text had that they were counted in, and how words were told (see word_splitting.py). A line for
each word follows: the word and its count, the most frequent first and of equal ones the first by
code points. Columns are parted by tabs.

    words   30000   348000000   moses   fr
    de      15873210
    ,       14210388
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from nmt.data.progress import Check, no_check
from nmt.data.vocabulary import DecodedText, Pieces, Vocabulary
from nmt.data.white_space import plain
from nmt.data.word_splitting import Moses, WordSplitter, make_splitter
from nmt.errors import ConfigError, DataError

SPECIAL_PIECES = ("<pad>", "UNK", "<s>", "</s>")  # in the order of their ids
UNKNOWN = SPECIAL_PIECES[1]
_LOOK_EVERY = 1000  # lines between looks at what may end the counting
_HEADER = re.compile(r"words\t(\d+)\t(\d+)\t(none|moses)\t(\S*)")
_LINE = re.compile(r"(\S+)\t([1-9]\d{0,17})")


class WordVocabulary(Vocabulary):
    """The words of a file, with ids after those of the special pieces."""

    pad_id, unk_id, bos_id, eos_id = range(len(SPECIAL_PIECES))

    def __init__(self, content: bytes, name: str = "the vocabulary"):
        """Reads a list of words.

        Args:
          content: of a file.
          name: what error messages call it.
        Raises:
          DataError: it is no such file, or not all of one.
        """
        self._content = content
        words, counts, self._num_running, self.splitter = _parse(content, name)
        self._names = [*SPECIAL_PIECES, *words]
        self._ids = {word: i for i, word in enumerate(words, len(SPECIAL_PIECES))}
        self._num_known = sum(counts)

    @classmethod
    def from_file(cls, path: Path) -> "WordVocabulary":
        """Reads a file; DataError where it cannot be read or is no such file."""
        try:
            return cls(Path(path).read_bytes(), str(path))
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error

    @property
    def content(self) -> bytes:
        """The file."""
        return self._content

    @property
    def description(self) -> str:
        """How many words there are, and what they cover of the text that they were counted in."""
        share = self._num_known / self._num_running
        return f"{self.num_words} words ({100 * share:.1f} % of the text)"

    @property
    def num_words(self) -> int:
        """The pieces but for the special ones."""
        return len(self._ids)

    @property
    def knows_all(self) -> bool:
        """Whether no word of the text that they were counted in is unknown."""
        return self._num_known == self._num_running

    @cached_property
    def begins_word(self) -> np.ndarray:
        """(pieces,) bool: all but the three that frame a sentence.

        Moses' words are others than those between white space, and no piece tells where these
        begin; the config refuses what would ask.
        """
        assert not isinstance(self.splitter, Moses)
        return ~np.isin(np.arange(len(self)), self.special)

    def __len__(self) -> int:
        return len(self._names)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without EOS."""
        return [self._ids.get(word, self.unk_id) for word in self.splitter.words(plain(text))]

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The ids of many texts, each (length,) int32, without EOS."""
        return [np.array(self.encode(text), np.int32) for text in texts]

    def encode_sampled(self, texts: Sequence[str], seed: int, alpha: float) -> list[np.ndarray]:
        """The only segmentation that there is: words do not come apart."""
        return self.encode_batch(texts)

    def encode_with_spans(self, text: str) -> Pieces:
        """The ids of a text and where each stands in it."""
        spaced = plain(text)
        spans = self.splitter.spans(spaced)
        words = [spaced[start:end] for start, end in spans]
        return Pieces([self._ids.get(word, self.unk_id) for word in words], words, spans)

    def decode_with_spans(
        self, ids: Sequence[int], unknown: Sequence[str] | None = None
    ) -> DecodedText:
        """The text of any ids, up to the first EOS, and where each id stands in it."""
        ids = [int(i) for i in ids]
        length = ids.index(self.eos_id) if self.eos_id in ids else len(ids)
        shown = [position for position in range(length) if ids[position] not in self.special]
        words, written = [], iter(unknown or ())
        for position in shown:
            is_written = unknown is not None and ids[position] == self.unk_id
            words.append(plain(next(written)) if is_written else self._names[ids[position]])
        text, places = self.splitter.join(words)
        place_of, spans = dict(zip(shown, places, strict=True)), []
        following = len(text)
        for position in reversed(range(len(ids))):  # BOS and PAD are put before the next word
            span = place_of.get(position, (following, following))
            following = span[0]
            spans.append(span)
        return DecodedText(text, [self._names[i] for i in ids], spans[::-1])


def count_words(
    texts: Iterable[str],
    size: int,
    splitter: WordSplitter,
    side: str = "",
    check: Check = no_check,
) -> bytes:
    """Makes the list of the most frequent words.

    Args:
      texts: all of them are used; neither their order nor that of their words matters.
      size: how many words at most; where the texts have fewer, all are taken.
      splitter: tells words.
      side: named in error messages where there are two vocabularies.
      check: called several times a second; what it raises ends the counting.
    Returns:
      the content of the file.
    Raises:
      ConfigError: the texts have no words.
    """
    counts: Counter[str] = Counter()
    for number, text in enumerate(texts):
        counts.update(splitter.words(plain(text)))
        if number % _LOOK_EVERY == 0:
            check()
    num_running = counts.total()
    counts.pop(UNKNOWN, None)
    if not counts:
        of_side = f" of the {side} side" if side else ""
        raise ConfigError(f"a vocabulary cannot be made: the training text{of_side} has no words")
    kept = sorted(counts.items(), key=_rank)[:size]
    header = f"words\t{len(kept)}\t{num_running}\t{splitter.name}\t{splitter.language}\n"
    return "".join([header, *(f"{word}\t{count}\n" for word, count in kept)]).encode()


def _rank(word_and_count: tuple[str, int]) -> tuple[int, str]:
    """The most frequent first, of equal ones the first by code points."""
    word, count = word_and_count
    return -count, word


def _parse(content: bytes, name: str) -> tuple[list[str], list[int], int, WordSplitter]:
    """Words, their counts, the number of running words, and how words are told."""
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is no list of words: wanted UTF-8; got byte 0x{content[error.start]:02X} "
            f"at byte {error.start + 1}"
        ) from None
    header = _HEADER.fullmatch(lines[0])
    if header is None:
        raise DataError(
            f"{name} is no list of words: wanted 'words', their number, that of running words and "
            f"how words are told in line 1; got {lines[0][:60]!r}"
        )
    size, num_running = int(header[1]), int(header[2])
    if len(lines) != size + 2 or lines[-1]:
        came = len(lines) - 1 - (not lines[-1])
        cut = "" if not lines[-1] else ", the last one cut off"
        raise DataError(f"{name} is damaged: wanted {size} words; got {came}{cut}")
    pairs = []
    for number, line in enumerate(lines[1:-1], 2):
        match = _LINE.fullmatch(line)
        if match is None:
            raise DataError(
                f"{name} is damaged: wanted a word, a tab and its count in line {number}; "
                f"got {line[:60]!r}"
            )
        pairs.append((match[1], int(match[2])))
    for number, (above, below) in enumerate(pairwise(pairs), 3):
        if _rank(above) >= _rank(below):
            raise DataError(
                f"{name} is damaged: line {number}, {below[0][:60]!r}, should stand above the line "
                "before it, by its count and then by its word"
            )
    words, counts = [word for word, _ in pairs], [count for _, count in pairs]
    if len(set(words)) < size:
        twice = next(word for word, times in Counter(words).items() if times > 1)
        raise DataError(f"{name} is damaged: {twice[:60]!r} is there twice")
    if not size or sum(counts) > num_running:
        raise DataError(
            f"{name} is damaged: wanted 1 to {num_running} running words; got {sum(counts)}"
        )
    return words, counts, num_running, make_splitter(header[3], header[4])
