"""Where the words of a text begin and end, and how words are put together again.

Of the two ways, one takes what stands between white space for a word. The other is Moses', with
sacremoses: it parts punctuation from words by rules of the language ("l'été." is "l'", "été" and
"."), and closes up in a translation what its detokeniser closes up. Texts are `plain` ones.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache

from nmt.config.language_codes import base_language
from nmt.data.vocabulary import Span
from nmt.data.white_space import plain

_WORD = re.compile(r"\S+")
_CONTROL = re.compile(r"[\0-\x1f]")  # what Moses' tokeniser would take out


class WordSplitter(ABC):
    """One way to tell words.

    Attributes:
      name: what `vocabulary.tokenize` calls it.
      language: whose rules it follows, "" where it has none.
    """

    name: str
    language: str

    @abstractmethod
    def words(self, text: str) -> list[str]:
        """The words of a text, in their order: together all of it but white space."""

    @abstractmethod
    def spans(self, text: str) -> list[Span]:
        """Where those words stand in the text."""

    @abstractmethod
    def join(self, words: Sequence[str]) -> tuple[str, list[Span]]:
        """A text of words, with single spaces in it, and where they stand."""


class WhiteSpace(WordSplitter):
    """A word is what stands between white space."""

    name, language = "none", ""

    def words(self, text: str) -> list[str]:
        """What stands between white space."""
        return text.split()

    def spans(self, text: str) -> list[Span]:
        """Where it stands."""
        return [match.span() for match in _WORD.finditer(text)]

    def join(self, words: Sequence[str]) -> tuple[str, list[Span]]:
        """The words with single spaces between them."""
        spans, start = [], 0
        for word in words:
            spans.append((start, start + len(word)))
            start += len(word) + 1
        return " ".join(words), spans


class Moses(WordSplitter):
    """Words as Moses tokenises a language; by its general rules where it has none of its own."""

    name = "moses"

    def __init__(self, language: str):
        self.language = language

    def words(self, text: str) -> list[str]:
        """The tokens; of a text that Moses changes, what stands between white space."""
        return [text[start:end] for start, end in self.spans(text)]

    def spans(self, text: str) -> list[Span]:
        """Where they stand."""
        tokenizer, _ = _moses(self.language)
        text = _CONTROL.sub(" ", text)
        found = places(tokenizer.tokenize(text, escape=False), text)
        return WhiteSpace().spans(text) if found is None else found

    def join(self, words: Sequence[str]) -> tuple[str, list[Span]]:
        """The detokenised text; single spaces between all words where Moses changes one of them."""
        _, detokenizer = _moses(self.language)
        try:
            text = detokenizer.detokenize(list(words), unescape=False)
        except TypeError:  # sacremoses 0.2 on Czech "-li"
            return WhiteSpace().join(words)
        text = " ".join(plain(text).split())  # French gets some that do not break
        found = places(words, text)
        return WhiteSpace().join(words) if found is None else (text, found)


def make_splitter(name: str, language: str) -> WordSplitter:
    """The way to tell words that `vocabulary.tokenize` names."""
    return Moses(language) if name == "moses" else WhiteSpace()


def places(words: Sequence[str], text: str) -> list[Span] | None:
    """Where words stand in a text of them and spaces alone; None where it is another text."""
    spans, start = [], 0
    for word in words:
        while text.startswith(" ", start):
            start += 1
        if not text.startswith(word, start):
            return None
        spans.append((start, start + len(word)))
        start += len(word)
    return None if text[start:].strip(" ") else spans


@lru_cache(maxsize=8)  # reading the character tables takes longer than tokenising a test set
def _moses(language: str):
    """Moses' tokenizer and detokenizer for a language; of 'pt-BR' those of 'pt'."""
    from sacremoses import MosesDetokenizer, MosesTokenizer

    base = base_language(language)
    return MosesTokenizer(lang=base), MosesDetokenizer(lang=base)
