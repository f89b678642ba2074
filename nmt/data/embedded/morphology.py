"""How English and French words of the embedded corpus inflect, and how French ones meet.

An entry holds what a dictionary would; the regular forms are derived by rule, so the word lists of
`nmt.data.embedded.lexicon` spell out irregular forms only.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

VOWELS = frozenset("aeiouàâéèêëîïôùûœ")
# Words before which French does not elide, although they begin with h or a vowel: le hibou.
ASPIRATED = frozenset(("hache", "haches", "hibou", "hiboux", "héros", "huit", "onze"))
ELISIONS = {word: word[:-1] + "'" for word in ("le", "la", "je", "me", "se", "ne", "de", "que")}
CONTRACTIONS = {
    ("à", "le"): "au",
    ("à", "les"): "aux",
    ("de", "le"): "du",
    ("de", "les"): "des",
    ("de", "des"): "de",  # près de + des amis: près d' amis
    ("de", "de"): "de",  # près de + de petits chats: près de petits chats
}


class Tense(IntEnum):
    """The tenses: simple in English; in French the past is composed, or imperfect of states."""

    PRESENT = 0
    PAST = 1
    FUTURE = 2


class Agreement(NamedTuple):
    """What a subject imposes on verbs, participles and adjectives."""

    person: int  # 1, 2 or 3
    plural: bool
    feminine: bool

    @property
    def ending(self) -> int:
        """The place in a table of verb forms: je, il, nous, vous, ils."""
        if self.plural:
            return self.person + 1
        return 0 if self.person == 1 else 1


NO_AGREEMENT = Agreement(3, plural=False, feminine=False)


def begins_with_vowel(word: str) -> bool:
    """Whether "le" and its like lose their vowel before this French word."""
    return (word[0] in VOWELS or word[0] == "h") and word not in ASPIRATED


def elide(word: str, following: str) -> str:
    """The form of a French word before another: "le", "homme" -> "l'"."""
    if word in ELISIONS and begins_with_vowel(following):
        return ELISIONS[word]
    if word == "si" and following in ("il", "ils"):
        return "s'"
    return word


def english_article(following: str) -> str:
    """The indefinite article before an English word (one without a silent h)."""
    return "an" if following[0] in "aeiou" else "a"


def add_english_s(word: str) -> str:
    """The regular plural of a noun and third person of a verb: city -> cities, wash -> washes."""
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh", "o")) else "s")


def add_english_ed(word: str) -> str:
    """The regular past: hurry -> hurried, love -> loved."""
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ied"
    return word + ("d" if word.endswith("e") else "ed")


def french_plural(word: str) -> str:
    """The regular plural of nouns and adjectives: cheval -> chevaux, oiseau -> oiseaux."""
    if word.endswith(("s", "x", "z")):
        return word
    if word.endswith("au"):
        return word + "x"
    return word[:-1] + "ux" if word.endswith("al") else word + "s"


def french_feminine(adjective: str) -> str:
    """The regular feminine of an adjective or participle: heureux -> heureuse."""
    if adjective.endswith("e"):
        return adjective
    if adjective.endswith("eux"):
        return adjective[:-1] + "se"
    return adjective[:-2] + "ère" if adjective.endswith("er") else adjective + "e"


@dataclass(frozen=True, eq=False)
class Noun:
    """A noun of both languages; the gender is the French one."""

    english: tuple[str, str]  # singular, plural
    french: tuple[str, str]
    feminine: bool
    kind: str  # what it is, for verbs and adjectives to choose by

    def agreement(self, plural: bool) -> Agreement:
        """What the noun imposes on its article, adjectives and verb."""
        return Agreement(3, plural, self.feminine)


@dataclass(frozen=True, eq=False)
class Adjective:
    """An adjective of both languages."""

    english: str
    masculine: str
    feminine: str
    liaison: str  # masculine singular before a vowel: bel, vieil, nouvel
    before: bool  # stands before the French noun
    kinds: frozenset[str]  # of the nouns that it may describe
    more: bool  # compared with "more" in English

    def french(self, agreement: Agreement, following: str | None = None) -> str:
        """The French form, before the word `following` where it stands in front of its noun."""
        if agreement.plural:
            return french_plural(self.feminine if agreement.feminine else self.masculine)
        if agreement.feminine:
            return self.feminine
        return self.liaison if following and begins_with_vowel(following) else self.masculine


@dataclass(frozen=True, eq=False)
class Verb:
    """A verb of both languages."""

    base: str
    third: str  # person singular, present
    past: str
    particles: tuple[str, ...]  # looks *for*, wakes *up*: without a French word of their own
    infinitive: str
    present: tuple[str, ...]  # je, il, nous, vous, ils
    participle: str
    future: str  # the stem
    with_etre: bool  # the auxiliary of the composed past is "être"
    reflexive: bool
    state: bool  # its past is the imperfect
    objects: tuple[str, ...]  # kinds of noun that may be its direct object
    animals: bool  # may have an animal as its subject

    def english(self, tense: Tense, agreement: Agreement) -> str:
        """The English finite form of the present or the past."""
        if self.base == "be":
            return _english_be(tense, agreement)
        if tense is Tense.PAST:
            return self.past
        return self.third if agreement.ending == 1 else self.base

    def french(self, tense: Tense, agreement: Agreement) -> str:
        """The French form of one word: present, imperfect or future."""
        ending = agreement.ending
        if tense is Tense.PRESENT:
            return self.present[ending]
        if tense is Tense.FUTURE:
            return self.future + ("ai", "a", "ons", "ez", "ont")[ending]
        # The stem of the imperfect is that of "nous", save that of "être".
        stem = "ét" if self.infinitive == "être" else self.present[2].removesuffix("ons")
        return stem + ("ais", "ait", "ions", "iez", "aient")[ending]

    def french_participle(self, agreement: Agreement) -> str:
        """The past participle, agreeing."""
        form = self.participle
        if agreement.feminine:
            form = french_feminine(form)
        return french_plural(form) if agreement.plural else form


def _english_be(tense: Tense, agreement: Agreement) -> str:
    if tense is Tense.PAST:
        return "were" if agreement.plural else "was"
    return "are" if agreement.plural else ("am" if agreement.person == 1 else "is")


def regular_present(infinitive: str) -> tuple[str, ...]:
    """The present of a verb in -er; that of -ger keeps its sound: nous mangeons."""
    stem = infinitive.removesuffix("er")
    nous = "eons" if stem.endswith("g") else "ons"
    return tuple(stem + ending for ending in ("e", "e", nous, "ez", "ent"))
