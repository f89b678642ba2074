"""Draws noun phrases of the embedded corpus."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from nmt.data.embedded import function_words, lexicon, syntax
from nmt.data.embedded.morphology import Adjective, Agreement, Noun, Verb
from nmt.data.embedded.phrases import EMPTY, Phrase
from nmt.data.embedded.syntax import NounPhrase

T = TypeVar("T")


@cache
def nouns_of(kinds: tuple[str, ...]) -> list[Noun]:
    """The nouns of these kinds."""
    return [noun for noun in lexicon.NOUNS if noun.kind in kinds]


@cache
def adjectives_of(kind: str, before: bool | None) -> list[Adjective]:
    """Adjectives of a kind of noun that stand before it, after it, or (None) either."""
    return [
        adjective
        for adjective in lexicon.ADJECTIVES
        if kind in adjective.kinds and before in (None, adjective.before)
    ]


@cache
def verbs_of(verbs: tuple[Verb, ...], kind: str) -> list[Verb]:
    """The verbs of which this kind of noun can be the subject."""
    return [verb for verb in verbs if kind in lexicon.PEOPLE or (kind == "animal" and verb.animals)]


# Determiners that a noun phrase may have, as often as they are named.
DEFINITE = ("the",) * 4 + ("this", *function_words.POSSESSIVES[:3], "possessive")
ANY = DEFINITE + ("a",) * 4 + ("every", "all", "several", "many", "number", "number")
NEGATED = (*DEFINITE, "a", "a", "a")  # an object of a negated verb
INDEFINITE = ("a",) * 5 + ("several", "many", "number")
PLURAL_ONLY = ("all", "several", "many", "number")


class NounPhraseSampler(ABC):
    """Draws noun phrases. Every method is told how much `room` it has, in English words.

    Args:
      uniform: draws from [0, 1). The only source of chance, the same on every platform.
    """

    def __init__(self, uniform: Callable[[], float]):
        self.uniform = uniform

    def chance(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self.uniform() < probability

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices."""
        return choices[int(self.uniform() * len(choices))]

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.uniform() * (high - low + 1)) if high > low else low

    def subject(
        self, room: int, *, first: bool, negated: bool = False, plain: bool = False
    ) -> NounPhrase:
        """A pronoun, a name or a noun phrase. "All" and "every" are kept from negated verbs."""
        if room >= 5 and self.chance(0.15):
            return syntax.both(
                self.noun_phrase(2, lexicon.PEOPLE, DEFINITE, plain=True, named=False),
                self.noun_phrase(room - 3, lexicon.PEOPLE, DEFINITE, plain=True),
            )
        if room == 1 or self.chance(0.35):
            if self.chance(0.2):
                return syntax.name(*self.pick(lexicon.NAMES))
            pronouns = ("i", "i", "you", "you", "we", "we", "he", "she", "they")
            return syntax.pronoun(self.pick(pronouns if first else pronouns[:-1]))
        kinds = self.pick((lexicon.PEOPLE,) * 6 + (("animal",), ("thing", "furniture")))
        determiners = DEFINITE if negated else ANY
        return self.noun_phrase(room, kinds, determiners, plain=plain)

    def noun_phrase(
        self,
        room: int,
        kinds: tuple[str, ...],
        determiners: tuple[str, ...],
        *,
        plain: bool = False,
        negated: bool = False,
        named: bool = True,
    ) -> NounPhrase:
        """A name, or a noun with as much around it as chance and room allow."""
        if named and "person" in kinds and (room < 2 or self.chance(0.12)):
            return syntax.name(*self.pick(lexicon.NAMES))
        noun = self.pick(nouns_of(kinds))
        if room >= 4 and not negated and determiners is not INDEFINITE and self.chance(0.12):
            return self.genitive(room, noun)
        determiner = self.pick(determiners)
        plural = determiner in PLURAL_ONLY or (determiner != "every" and self.chance(0.35))
        left = room - 2
        all_of = determiner == "all" and left >= 1
        number = None
        if determiner == "number":
            determiner, number = "", self.pick(function_words.NUMBERS)
        elif plural and determiner in ("the", "my", "his") and left >= 1 and self.chance(0.12):
            number, left = self.pick(function_words.NUMBERS), left - 1
        if determiner in ("all", "possessive"):
            left -= all_of
            determiner = "the" if determiner == "all" else self.pick(function_words.POSSESSIVES)
        before = after = None
        very = False
        if left >= 1 and self.chance(0.3):
            before, left = self.pick(adjectives_of(noun.kind, True)), left - 1
        if left >= 1 and adjectives_of(noun.kind, False) and self.chance(0.3):
            after, left = self.pick(adjectives_of(noun.kind, False)), left - 1
            very = left >= 1 and self.chance(0.15)
            left -= very
        # "He sees no man who ..." asks for a subjunctive in French.
        closed = plain or (negated and determiner == "a")
        modifier = EMPTY
        if left >= 2 and not closed and self.chance(0.75):
            modifier = self.modifier(
                left, noun.kind, noun.agreement(plural), owned=determiner not in ("the", "a")
            )
        return syntax.noun_phrase(
            determiner,
            noun,
            plural=plural,
            all_of=all_of,
            number=number,
            before=before,
            very=very,
            after=after,
            under_negation=negated,
            modifier=modifier,
        )

    def genitive(self, room: int, noun: Noun) -> NounPhrase:
        """Somebody's thing."""
        adjectives = adjectives_of(noun.kind, False)
        after = self.pick(adjectives) if room >= 5 and adjectives and self.chance(0.3) else None
        owner_room = room - 2 - (after is not None)
        owner = self.noun_phrase(min(owner_room, 3), lexicon.PEOPLE, DEFINITE, plain=True)
        return syntax.genitive(owner, noun, plural=self.chance(0.3), after=after)

    def modifier(self, room: int, kind: str, agreement: Agreement, *, owned: bool) -> Phrase:
        """What follows a noun: where it is, whose it is, or a relative clause."""
        if room >= 3 and kind != "place" and self.chance(0.25):
            return self.location(min(room, 6))
        if room >= 3 and kind in ("animal", *lexicon.OBJECTS) and not owned and self.chance(0.3):
            owner = self.noun_phrase(min(room - 1, 4), lexicon.PEOPLE, DEFINITE, plain=True)
            return syntax.prepositional("of", owner)
        return self.relative(min(room, 9), kind, agreement)

    @abstractmethod
    def relative(self, room: int, kind: str, agreement: Agreement) -> Phrase:
        """A relative clause on a noun of this kind and agreement."""

    def location(self, room: int) -> Phrase:
        """Where something is."""
        kind = self.pick(("place", "place", "furniture"))
        preposition = self.pick(function_words.LOCATIONS[kind])
        left = room - len(preposition.split())
        place = self.noun_phrase(max(left, 2), (kind,), DEFINITE + ("a", "a"), plain=left < 7)
        return syntax.prepositional(preposition, place)
