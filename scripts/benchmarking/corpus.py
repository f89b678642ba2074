"""What is benchmarked on: a corpus from a folder, or generated text of the same lengths.

A folder holds the splits of Multi30k under the names that its authors gave them, as text files,
plain or compressed:

    train.en train.de    val.en val.de    test_2016_flickr.en test_2016_flickr.de

Generated text is written as such a folder, so all that follows is the same for both. It is made so
that vocabularies, lengths and batches come out as those of real text do, and so that a model can
learn from it how long a translation is; it is the same on every machine.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nmt.errors import DataError

SOURCE, TARGET = "en", "de"
TRAIN, VALIDATION, TEST = "train", "val", "test_2016_flickr"
SUFFIXES = ("", ".gz", ".xz", ".zst")


class Corpus(NamedTuple):
    """A folder with the three splits."""

    folder: Path

    @property
    def overrides(self) -> list[str]:
        """What a config of this corpus says."""
        return [
            f"data.path={self.folder}",
            f"data.source_language={SOURCE}",
            f"data.target_language={TARGET}",
            f"data.train={TRAIN}",
            f"data.validation={VALIDATION}",
            f"data.test={TEST}",
        ]

    def file(self, split: str, language: str) -> Path:
        """The file of one side of a split.

        Raises:
          DataError: there is none.
        """
        for suffix in SUFFIXES:
            path = self.folder / f"{split}.{language}{suffix}"
            if path.is_file():
                return path
        raise DataError(f"the corpus {self.folder} has no {split}.{language}, plain or compressed")

    @property
    def fingerprint(self) -> str:
        """Tells this corpus from others without reading it: names, sizes and times of its files."""
        said = hashlib.sha256(str(self.folder).encode())
        for split in (TRAIN, VALIDATION, TEST):
            for language in (SOURCE, TARGET):
                status = self.file(split, language).stat()
                said.update(f" {status.st_size} {status.st_mtime_ns}".encode())
        return said.hexdigest()


class Text(NamedTuple):
    """What generated text is like.

    Attributes:
      num_train: pairs.
      mean_words: source words of a sentence.
      spread: the standard deviation of their number, as a share of the mean.
      lexicon: different source words; each has a translation.
    """

    num_train: int
    mean_words: float
    spread: float
    lexicon: int


TEXTS = {  # lengths as in the corpora of these names
    "multi30k": Text(num_train=29_000, mean_words=11.9, spread=0.32, lexicon=40_000),
    "wmt14": Text(num_train=29_000, mean_words=25.0, spread=0.55, lexicon=120_000),
}
NUM_VALIDATION, NUM_TEST = 1014, 1000
MIN_WORDS, MAX_WORDS = 3, 3.5  # the latter of the mean
SOURCE_ONSETS, TARGET_ONSETS = "bdfgklmnprstvwj", "bchdfgkzlmnprsw"
SOURCE_VOWELS, TARGET_VOWELS = "aeiou", ("a", "ei", "o", "u", "au")
JOINED, MOVED = 9, 7  # a word in so many makes a compound with the next; one moves behind it


def choose_corpus(folder: str | None, text: str, kept: Path) -> Corpus:
    """The corpus of a folder, or generated text where no folder is given.

    Args:
      folder: of a corpus.
      text: a name of TEXTS.
      kept: a folder in which generated text is kept from one call to the next.
    Raises:
      DataError: the folder lacks a file.
    """
    if folder is None:
        return generated_corpus(TEXTS[text], kept / f"text_{text}")
    corpus = Corpus(Path(folder).resolve())
    assert corpus.fingerprint  # or DataError
    return corpus


def generated_corpus(text: Text, folder: Path) -> Corpus:
    """Generated text, written into a folder unless it is there; all of it appears at once."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        sizes = {TRAIN: text.num_train, VALIDATION: NUM_VALIDATION, TEST: NUM_TEST}
        for seed, (split, num_pairs) in enumerate(sizes.items()):
            pairs = generated_pairs(text, num_pairs, seed)
            for language, side in zip((SOURCE, TARGET), zip(*pairs, strict=True), strict=True):
                lines = "".join(f"{line}\n" for line in side)
                (beside / f"{split}.{language}").write_text(lines, encoding="utf-8")
        try:
            os.replace(beside, folder)
        except OSError:  # another process was faster
            shutil.rmtree(beside)
    return Corpus(folder.resolve())


def generated_pairs(text: Text, num_pairs: int, seed: int) -> list[tuple[str, str]]:
    """Sentences and their translations, the same for the same arguments.

    The ranks of words follow Zipf's law with Mandelbrot's correction; numbers of
    words are log-normal. A sentence is translated word by word; some words change places with the
    next one, and some are written as one word with it.
    """
    source, target = lexicons(text.lexicon)
    draw = _uniform(seed)
    numbers = _numbers_of_words(text, *draw(2, num_pairs))
    shares = np.cumsum((np.arange(text.lexicon) + 3.0) ** -1.05)
    (places,) = draw(1, int(numbers.sum()))
    ranks = np.searchsorted(shares, places * shares[-1], side="right")
    pairs = []
    for sentence in np.split(ranks, np.cumsum(numbers)[:-1]):
        words = " ".join(source[rank] for rank in sentence)
        pairs.append((words, _translated(sentence.tolist(), target)))
    return pairs


def lexicons(size: int) -> tuple[list[str], list[str]]:
    """The source words by rank, and the translation of each."""
    source = [onset + vowel for onset in SOURCE_ONSETS for vowel in SOURCE_VOWELS]
    target = [onset + vowel + "n" for onset in TARGET_ONSETS for vowel in TARGET_VOWELS]
    return [_word(k, source) for k in range(size)], [_word(k, target) for k in range(size)]


def _word(number: int, syllables: list[str]) -> str:
    """A number written in syllables: frequent words are short."""
    word = ""
    while True:
        number, digit = divmod(number, len(syllables))
        word += syllables[digit]
        if not number:
            return word
        number -= 1


def _translated(ranks: list[int], target: list[str]) -> str:
    """The sentence in the target language."""
    order = list(ranks)
    for place in range(len(order) - 1):
        if order[place] % MOVED == 0:
            order[place], order[place + 1] = order[place + 1], order[place]
    spaces = ["" if rank % JOINED == JOINED - 1 else " " for rank in order]
    return "".join(target[r] + space for r, space in zip(order, spaces, strict=True)).strip()


def _numbers_of_words(text: Text, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Log-normal numbers of words of two uniform numbers each (Box and Muller 1958)."""
    normal = np.sqrt(-2 * np.log(1 - first)) * np.cos(2 * np.pi * second)
    variance = np.log1p(text.spread**2)
    numbers = text.mean_words * np.exp(np.sqrt(variance) * normal - variance / 2)
    return np.clip(np.rint(numbers), MIN_WORDS, MAX_WORDS * text.mean_words).astype(int)


def _uniform(seed: int):
    """A source of numbers in [0, 1), of a bit generator whose stream numpy promises for good."""
    bits = np.random.PCG64(np.random.SeedSequence(seed))

    def draw(*shape: int) -> np.ndarray:
        raw = bits.random_raw(int(np.prod(shape))) >> np.uint64(11)
        return (raw * 2.0**-53).reshape(shape)

    return draw
