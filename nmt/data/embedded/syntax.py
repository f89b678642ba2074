"""The synchronous rules of the embedded corpus: each builds English and French side by side."""

from dataclasses import dataclass, field

from nmt.data.embedded import function_words, lexicon
from nmt.data.embedded.morphology import (
    NO_AGREEMENT,
    Adjective,
    Agreement,
    Noun,
    Tense,
    Verb,
    begins_with_vowel,
    english_article,
)
from nmt.data.embedded.phrases import EMPTY, French, Phrase, Word, link, links


@dataclass(slots=True, eq=False)
class NounPhrase(Phrase):
    """A phrase that can be a subject; its kind is that of its noun."""

    agreement: Agreement = NO_AGREEMENT
    kind: str = "person"


@dataclass(slots=True, eq=False)
class VerbPhrase(Phrase):
    """A verb with all that follows. English auxiliaries are apart: questions put them first."""

    auxiliary: list[Word] = field(default_factory=list)
    verb: Verb | None = None


@dataclass(slots=True, eq=False)
class Clitic(Phrase):
    """An object pronoun; French has it before the verb. A direct one has an agreement."""

    agreement: Agreement | None = None


# Noun phrases


def pronoun(english: str) -> NounPhrase:
    """A subject pronoun."""
    french, *agreement = function_words.SUBJECT_PRONOUNS[english]
    phrase = link(english, french)
    return NounPhrase(phrase.source, phrase.target, Agreement(*agreement))


def clitic(english: str, *, indirect: bool = False) -> Clitic:
    """An object pronoun: 'him' -> le, or indirect, 'to him' -> lui."""
    direct_form, indirect_form, *agreement = function_words.OBJECT_PRONOUNS[english]
    if indirect:
        phrase = link(f"to {english}", indirect_form)
        return Clitic(phrase.source, phrase.target)
    phrase = link(english, direct_form)
    return Clitic(phrase.source, phrase.target, Agreement(*agreement))


def name(english: str, french: str, feminine: bool) -> NounPhrase:
    """A proper name."""
    phrase = link(english, french)
    return NounPhrase(phrase.source, phrase.target, Agreement(3, False, feminine))


def noun_phrase(
    determiner: str,
    noun: Noun,
    *,
    plural: bool = False,
    all_of: bool = False,
    number: tuple[str, str] | None = None,
    before: Adjective | None = None,
    very: bool = False,
    after: Adjective | None = None,
    under_negation: bool = False,
    modifier: Phrase = EMPTY,
) -> NounPhrase:
    """Builds "all the two small very strong dogs ..." -> "tous les deux petits chiens très forts".

    Args:
      determiner: a key of the tables of determiners, or "" before a lone number.
      all_of: put "all", tous or toutes, before the determiner.
      number: a numeral in English and French.
      before: an adjective that stands before the French noun.
      after: an adjective that stands after the French noun, `very` with it.
      under_negation: the object of a negated verb, whose indefinite article is "de".
      modifier: what follows the noun on both sides.
    """
    agreement = noun.agreement(plural)
    numeral = link(*number) if number else EMPTY
    head = link(noun.english[plural], noun.french[plural])
    front = _before(before, agreement, following=head.target[0].text)
    back = _after(after, very, agreement)
    source = numeral.source + front.source + back.source + head.source
    target = numeral.target + front.target + head.target + back.target
    opening = _determiner(
        determiner,
        agreement,
        next_english=source[0].text,
        next_french=target[0].text,
        before_adjective=before is not None,
        under_negation=under_negation,
    )
    if all_of:
        opening = link("all", "toutes" if agreement.feminine else "tous") + opening
    return NounPhrase(
        opening.source + source + modifier.source,
        opening.target + target + modifier.target,
        agreement,
        noun.kind,
    )


def _before(adjective: Adjective | None, agreement: Agreement, following: str) -> Phrase:
    if adjective is None:
        return EMPTY
    return link(adjective.english, adjective.french(agreement, following))


def _after(adjective: Adjective | None, very: bool, agreement: Agreement) -> Phrase:
    if adjective is None:
        return EMPTY
    return (link("very", "très") if very else EMPTY) + link(
        adjective.english, adjective.french(agreement)
    )


def _determiner(
    determiner: str,
    agreement: Agreement,
    *,
    next_english: str,
    next_french: str,
    before_adjective: bool,
    under_negation: bool,
) -> Phrase:
    """The determiner; the indefinite one is "de" after a negated verb and, in the plural, before an
    adjective.
    """
    if not determiner:
        return EMPTY
    if agreement.plural:
        english, french = function_words.PLURAL_DETERMINERS[determiner]
    else:
        english, *forms = function_words.SINGULAR_DETERMINERS[determiner]
        french = forms[2 * agreement.feminine + begins_with_vowel(next_french)]
    if determiner == "a":
        if not agreement.plural:
            english = english_article(next_english)
        elif under_negation:
            english = "any"
        if under_negation or (agreement.plural and before_adjective):
            french = "de"
    return link(english, french)


def genitive(
    owner: NounPhrase, noun: Noun, *, plural: bool = False, after: Adjective | None = None
) -> NounPhrase:
    """The possessor first in English and last in French: the man 's dog -> le chien de l' homme.

    "'s" says both that the thing is definite, le, and whose it is, de.
    """
    agreement = noun.agreement(plural)
    mark = Word("'" if owner.agreement.plural and owner.source[-1].text.endswith("s") else "'s")
    article = "les" if plural else "la" if noun.feminine else "le"
    thing = link(noun.english[plural], noun.french[plural])
    adjective = _after(after, False, agreement)
    return NounPhrase(
        [*owner.source, mark, *adjective.source, *thing.source],
        [
            French(article, (mark,)),
            *thing.target,
            *adjective.target,
            French("de", (mark,)),
            *owner.target,
        ],
        agreement,
        noun.kind,
    )


def prepositional(preposition: str, phrase: Phrase) -> Phrase:
    """A preposition of the table, and what it governs."""
    return links(function_words.PREPOSITIONS[preposition]) + phrase


def both(first: NounPhrase, second: NounPhrase) -> NounPhrase:
    """Two noun phrases in one: plural, and feminine only where both are."""
    phrase = first + link("and", "et") + second
    feminine = first.agreement.feminine and second.agreement.feminine
    return NounPhrase(phrase.source, phrase.target, Agreement(3, True, feminine))


# Verb phrases


@dataclass(frozen=True, eq=False)
class _Group:
    """What decides the words of a verb group."""

    verb: Verb
    subject: Agreement
    tense: Tense
    modal: Verb | None
    negation: str | None
    asks: bool


@dataclass(slots=True, eq=False)
class _EnglishVerb:
    """The parts of an English verb group, from left to right."""

    auxiliary: Word | None  # do, will, can, must; or be
    negation: Word | None  # not, never; "cannot" is auxiliary and negation in one
    carrier: tuple[Word, ...]  # what is finite, or would be without an auxiliary
    infinitive: tuple[Word, ...]  # after a modal verb, "to" with it


def verb_phrase(
    verb: Verb,
    subject: Agreement,
    tense: Tense = Tense.PRESENT,
    *,
    modal: Verb | None = None,
    negation: str | None = None,
    adverb: tuple[str, str] | None = None,
    clitic: Clitic | None = None,
    antecedent: Agreement | None = None,
    asks: bool = False,
    rest: Phrase = EMPTY,
) -> VerbPhrase:
    """Conjugates a verb and puts the small words around it.

    English: auxiliary, not, adverb, verb. French: ne, pronoun, finite verb, pas, adverb,
    participle. The pronoun and an infinitive stand together: je ne peux pas toujours le voir.

    Args:
      verb: what is done.
      subject: what the subject imposes.
      tense: of the finite verb.
      modal: governs the verb, which is then an infinitive. Only in the present.
      negation: "not" or "never".
      adverb: of frequency.
      clitic: an object pronoun; in English it is a part of `rest`.
      antecedent: of the relative pronoun that is the object, or the object asked for.
      asks: the auxiliary is for "est-ce que".
      rest: what follows, equally ordered on both sides but for the clitic's English words.
    """
    group = _Group(verb, subject, tense, modal, negation, asks)
    english = _english_verb(group)
    middle = link(*adverb) if adverb else EMPTY
    negative = [english.negation] if english.negation else []
    source = [*negative, *middle.source, *english.carrier, *english.infinitive]
    pronouns = clitic.target if clitic else []
    object_agreement = clitic.agreement if clitic else antecedent
    target = _french_verb(group, english, pronouns, middle.target, object_agreement)
    # "cannot" stands where "not" does, and no question is negated.
    is_apart = english.auxiliary and english.auxiliary is not english.negation
    return VerbPhrase(
        source + rest.source,
        target + rest.target,
        [english.auxiliary] if is_apart else [],
        verb,
    )


def _english_verb(group: _Group) -> _EnglishVerb:
    carrier = group.modal or group.verb
    auxiliary, words = None, [carrier.base, *carrier.particles]
    if group.tense is Tense.FUTURE:
        auxiliary = "will"
    elif carrier in (lexicon.BE, lexicon.CAN, lexicon.MUST):
        auxiliary, words = carrier.english(group.tense, group.subject), []
    elif group.negation == "not" or group.asks:
        do = "does" if group.subject.ending == 1 else "do"
        auxiliary = "did" if group.tense is Tense.PAST else do
    else:
        words[0] = carrier.english(group.tense, group.subject)
    infinitive = [group.verb.base, *group.verb.particles] if group.modal else []
    if group.modal is lexicon.WANT:
        infinitive.insert(0, "to")
    finite = Word(auxiliary) if auxiliary else None
    negation = Word(group.negation) if group.negation else None
    if auxiliary == "can" and group.negation == "not":
        finite = negation = Word("cannot")
    return _EnglishVerb(finite, negation, tuple(map(Word, words)), tuple(map(Word, infinitive)))


def _french_verb(
    group: _Group,
    english: _EnglishVerb,
    pronouns: list[French],
    middle: list[French],
    object_agreement: Agreement | None,
) -> list[French]:
    """The French verb group. `object_agreement` is that of a direct object before the verb."""
    auxiliary = (english.auxiliary,) if english.auxiliary else ()
    # The "do" of the present has no counterpart in a statement: it may go with ne and pas.
    # "Did", "will", "is" and "can" show in the verb, and in a question "do" is est-ce que.
    idle = auxiliary if auxiliary and english.auxiliary.text in ("do", "does") else ()
    busy = () if idle else auxiliary
    ne, pas = [], []
    if english.negation:
        ne = [French("ne", (english.negation,), idle)]
        second = "jamais" if group.negation == "never" else "pas"
        pas = [French(second, (english.negation,), idle)]
    if group.verb.reflexive:
        own = english.infinitive or english.carrier
        pronouns = [French(function_words.REFLEXIVES[group.subject.ending], own)]
    if group.modal:
        finite = French(group.modal.french(group.tense, group.subject), busy + english.carrier)
        infinitive = French(group.verb.infinitive, english.infinitive)
        return [*ne, finite, *pas, *middle, *pronouns, infinitive]
    if group.tense is Tense.PAST and not group.verb.state:
        auxiliary = lexicon.BE if group.verb.with_etre else lexicon.HAVE
        agreement = group.subject if group.verb.with_etre else object_agreement or NO_AGREEMENT
        finite = French(auxiliary.french(Tense.PRESENT, group.subject), busy or english.carrier[:1])
        participle = French(group.verb.french_participle(agreement), english.carrier)
        return [*ne, *pronouns, finite, *pas, *middle, participle]
    finite = French(group.verb.french(group.tense, group.subject), busy + english.carrier)
    return [*ne, *pronouns, finite, *pas, *middle]


def with_clitic(clitic: Clitic, rest: Phrase = EMPTY, before: Phrase = EMPTY) -> Phrase:
    """What follows an English verb whose object is a pronoun: the pronoun is there, in English."""
    return Phrase(
        before.source + clitic.source + rest.source,
        before.target + rest.target,
    )


def compared(adjective: Adjective, subject: Agreement, standard: NounPhrase, more: bool) -> Phrase:
    """An adjective with what it is measured by: as strong as paul -> aussi fort que paul."""
    first, second = (
        (("more", "plus"), ("than", "que")) if more else (("as", "aussi"), ("as", "que"))
    )
    described = link(adjective.english, adjective.french(subject))
    return link(*first) + described + link(*second) + standard


# Clauses


def clause(subject: Phrase, verb: VerbPhrase) -> Phrase:
    """A statement."""
    return Phrase(subject.source + verb.auxiliary + verb.source, subject.target + verb.target)


def question(subject: Phrase, verb: VerbPhrase, asked: Phrase = EMPTY) -> Phrase:
    """Does he sleep? -> est-ce qu' il dort; the auxiliary stands for "est-ce que".

    Args:
      asked: where, when, why, or "how many dogs", which goes before.
    """
    auxiliary = tuple(verb.auxiliary)
    asking = [French("est-ce", auxiliary), French("que", auxiliary)]
    return Phrase(
        asked.source + verb.auxiliary + subject.source + verb.source,
        asked.target + asking + subject.target + verb.target,
    )


def subordinate(conjunction: str, inner: Phrase) -> Phrase:
    """A conjunction of the table and its clause."""
    return link(conjunction, function_words.CONJUNCTIONS[conjunction]) + inner


def relative_subject(verb: VerbPhrase, *, person: bool) -> Phrase:
    """The antecedent is the subject: who sleeps -> qui dort."""
    return clause(link("who" if person else "which", "qui"), verb)


def relative_object(subject: Phrase, verb: VerbPhrase, *, person: bool) -> Phrase:
    """The antecedent is the object: whom paul loves -> que paul aime."""
    return link("whom" if person else "which", "que") + clause(subject, verb)


def relative_owner(noun: Noun, verb: VerbPhrase, *, plural: bool) -> Phrase:
    """The antecedent owns the subject: whose dog sleeps -> dont le chien dort."""
    whose = Word("whose")
    article = "les" if plural else "la" if noun.feminine else "le"
    relative = Phrase([whose], [French("dont", (whose,)), French(article, (whose,))])
    return clause(relative + link(noun.english[plural], noun.french[plural]), verb)


def weather(verb: Verb, tense: Tense, adverb: tuple[str, str] | None = None) -> Phrase:
    """It rains: il pleut."""
    return clause(link("it", "il"), verb_phrase(verb, NO_AGREEMENT, tense, adverb=adverb))


def existence(phrase: NounPhrase, tense: Tense, location: Phrase) -> Phrase:
    """There are dogs in the garden: il y a des chiens dans le jardin."""
    english = verb_phrase(lexicon.BE, phrase.agreement, tense)
    verb = tuple(english.auxiliary + english.source)
    there = link("there", "il y")
    have = French(lexicon.HAVE.french(tense, NO_AGREEMENT), verb)
    return Phrase([*there.source, *verb], [*there.target, have]) + phrase + location


def how_many(noun: Noun) -> NounPhrase:
    """How many dogs: combien de chiens."""
    how, many = Word("how"), Word("many")
    asked = Phrase([how, many], [French("combien", (how, many)), French("de", (many,))])
    phrase = asked + link(noun.english[1], noun.french[1])
    return NounPhrase(phrase.source, phrase.target, noun.agreement(plural=True))
