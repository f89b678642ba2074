"""English and French words side by side, and how they become a sentence with links.

A French word keeps the English words that it translates, as objects and not as positions. So the
rules of `nmt.data.embedded.syntax` order both sides as they like, and the links are read off the
finished sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nmt.data.embedded.morphology import CONTRACTIONS, elide


class Pair(NamedTuple):
    """A sentence in English and French. Links are (source word, target word), counted from 0."""

    source: str
    target: str
    sure: tuple[tuple[int, int], ...]
    possible: tuple[tuple[int, int], ...]  # only of English words without a French counterpart


class Word:
    """An English word; two occurrences of one text are two words."""

    __slots__ = ("text",)

    def __init__(self, text: str):
        self.text = text


class French(NamedTuple):
    """A French word and the English words that it translates."""

    text: str
    sure: tuple[Word, ...]
    possible: tuple[Word, ...] = ()


@dataclass(slots=True, eq=False)
class Phrase:
    """Words of both sides that say the same."""

    source: list[Word] = field(default_factory=list)
    target: list[French] = field(default_factory=list)

    def __add__(self, other: "Phrase") -> "Phrase":
        return Phrase(self.source + other.source, self.target + other.target)

    def __len__(self) -> int:
        return len(self.source)


EMPTY = Phrase()


def link(english: str, french: str) -> Phrase:
    """A phrase in which every English word is linked with every French one."""
    words = [Word(text) for text in english.split()]
    return Phrase(words, [French(text, tuple(words)) for text in french.split()])


def links(parts: str) -> Phrase:
    """Links each part with its own: links('next=à côté|to=de')."""
    phrase = EMPTY
    for part in parts.split("|"):
        english, french = part.split("=")
        phrase = phrase + link(english, french)
    return phrase


def spell(words: Sequence[French]) -> list[French]:
    """Elides and contracts neighbours: le homme -> l' homme, de le chien -> du chien.

    A contracted word keeps the links of both. From right to left, since the form of a word depends
    on the final form of the next: de le homme -> de l' homme.
    """
    spelt: list[French] = []
    for word in reversed(words):
        contracted = CONTRACTIONS.get((word.text, spelt[-1].text)) if spelt else None
        if contracted:
            article = spelt.pop()
            word = French(contracted, word.sure + article.sure, word.possible + article.possible)
        if spelt:
            text = elide(word.text, spelt[-1].text)
            if text is not word.text:
                word = French(text, word.sure, word.possible)
        spelt.append(word)
    return spelt[::-1]


def finish(phrase: Phrase, mark: str = ".") -> Pair:
    """Closes a sentence with its mark, spells it and reads off its links."""
    phrase = phrase + link(mark, mark)
    target = spell(phrase.target)
    place = {word: i for i, word in enumerate(phrase.source)}
    sure = {(place[word], j) for j, french in enumerate(target) for word in french.sure}
    possible = {(place[word], j) for j, french in enumerate(target) for word in french.possible}
    return Pair(
        " ".join([word.text for word in phrase.source]),
        " ".join([french.text for french in target]),
        tuple(sorted(sure)),
        tuple(sorted(possible - sure)),
    )
