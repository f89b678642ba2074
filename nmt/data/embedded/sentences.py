"""Draws clauses and sentences of the embedded corpus."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nmt.data.embedded import function_words, lexicon, syntax
from nmt.data.embedded.morphology import NO_AGREEMENT, Agreement, Tense, Verb
from nmt.data.embedded.noun_phrases import (
    ANY,
    DEFINITE,
    INDEFINITE,
    NEGATED,
    NounPhraseSampler,
    adjectives_of,
    nouns_of,
    verbs_of,
)
from nmt.data.embedded.phrases import EMPTY, Pair, Phrase, finish, link
from nmt.data.embedded.syntax import Clitic, VerbPhrase


@dataclass(frozen=True)
class Setting:
    """What holds for a whole clause."""

    tense: Tense = Tense.PRESENT
    first: bool = False  # the first of the sentence: "they" and "them" are clear
    plain: bool = False  # no clause inside
    asks: bool = False
    place: bool = True  # it may say where
    time: bool = True  # it may say when
    shared: bool = True  # its subject may have a second verb


@dataclass(slots=True, eq=False)
class _Frame:
    """A verb and its objects, before it is conjugated."""

    verb: Verb
    object: Phrase = EMPTY
    clitic: Clitic | None = None
    modal: Verb | None = None
    closed: bool = False  # nothing may follow

    @property
    def num_words(self) -> int:
        """English words, but for auxiliaries."""
        modal = 0 if self.modal is None else 1 + (self.modal is lexicon.WANT)
        clitic = len(self.clitic) if self.clitic else 0
        return 1 + len(self.verb.particles) + len(self.object) + clitic + modal


class Sampler(NounPhraseSampler):
    """Draws sentences."""

    # Sentences

    def sentence(self, min_words: int, max_words: int) -> Pair | None:
        """Draws a sentence; None where its length came out wrong."""
        room = min(self.between(min_words, max_words + 1), max_words)
        if room <= 16 and self.chance(0.15):
            phrase, mark = self.question(room), "?"
        elif room >= 8 and self.chance(0.2):
            phrase, mark = self.chain(self.conditioned(room), room), "."
        else:
            phrase, mark = self.chain(self.opening(room), room), "."
        return finish(phrase, mark) if min_words <= len(phrase) <= max_words else None

    def opening(self, room: int) -> Phrase:
        """The first clause."""
        own = room if room <= 9 else self.between(6, min(room, 14))
        tense = self.pick((Tense.PRESENT, Tense.PRESENT, Tense.PAST, Tense.PAST, Tense.FUTURE))
        if own >= 5 and self.chance(0.12):
            return self.existence(own)
        if own >= 6 and self.chance(0.12):
            time = link(*self.pick(self.times(tense)))
            setting = Setting(tense, first=True, time=False)
            return time + link(",", ",") + self.clause(own - 2, setting)
        return self.clause(own, Setting(tense, first=True))

    def conditioned(self, room: int) -> Phrase:
        """Two clauses of which one sets the time or the condition of the other."""
        half = self.between(3, min(room - 5, 11))
        conjunction = self.pick(("when", "if"))
        tense = self.pick((Tense.PRESENT, Tense.PAST)) if conjunction == "when" else Tense.PRESENT
        outcome = Tense.FUTURE if conjunction == "if" else tense
        if self.chance(0.5):
            condition = self.clause(half, Setting(tense, time=False))
            main = self.clause(min(room - 2 - len(condition), 12), Setting(outcome, time=False))
            return syntax.subordinate(conjunction, condition) + link(",", ",") + main
        main = self.clause(half, Setting(outcome, first=True, time=False, plain=True))
        condition = self.clause(min(room - 1 - len(main), 12), Setting(tense, time=False))
        return main + syntax.subordinate(conjunction, condition)

    def chain(self, phrase: Phrase, room: int) -> Phrase:
        """Adds clauses while there is room for one."""
        while (left := room - len(phrase) - 1) >= 3:
            own = left if left <= 8 else self.between(4, min(left, 13))
            conjunction = self.pick(("and", "and", "but", "because", "because", "while"))
            tense = Tense(self.between(0, 2)) if conjunction != "while" else Tense.PRESENT
            if own <= 4 and conjunction == "because" and self.chance(0.3):
                adverb = self.pick(function_words.FREQUENCIES) if own == 4 else None
                tense = self.pick((Tense.PRESENT, Tense.PAST))
                inner = syntax.weather(self.pick(lexicon.WEATHER), tense, adverb)
            else:
                inner = self.clause(own, Setting(tense, time=conjunction != "while"))
            phrase = phrase + syntax.subordinate(conjunction, inner)
        return phrase

    def existence(self, room: int) -> Phrase:
        """There is something somewhere."""
        location = self.location(self.between(3, max(room - 4, 3)))
        room -= 2 + len(location)
        kinds = (*lexicon.ANIMATE, *lexicon.OBJECTS, "furniture")
        phrase = self.noun_phrase(max(room, 2), kinds, INDEFINITE, plain=True, named=False)
        return syntax.existence(phrase, self.pick((Tense.PRESENT, Tense.PAST)), location)

    def question(self, room: int) -> Phrase:
        """A question with est-ce que, or of who."""
        tense = Tense(self.between(0, 2))
        if room >= 3 and self.chance(0.2):
            who = link("who", "qui")
            verb = self.predicate(NO_AGREEMENT, "person", room - 1, Setting(tense, plain=True))
            return syntax.clause(who, verb)
        asked, place, time = EMPTY, True, True
        if room >= 6 and self.chance(0.2):
            return self.question_of_number(room, tense)
        if room >= 5 and self.chance(0.45):
            word = self.pick((("where", "où"), ("when", "quand"), ("why", "pourquoi")))
            asked, place, time = link(*word), word[0] != "where", word[0] != "when"
        left = room - len(asked) - 1
        subject = self.subject(self.between(1, max(left - 3, 1)), first=True, negated=True)
        setting = Setting(tense, first=True, asks=True, place=place, time=time, plain=not place)
        verb = self.predicate(subject.agreement, subject.kind, left + 1 - len(subject), setting)
        return syntax.question(subject, verb, asked)

    def question_of_number(self, room: int, tense: Tense) -> Phrase:
        """How many dogs did you see?"""
        verb = self.pick(lexicon.TRANSITIVE)
        asked = syntax.how_many(self.pick(nouns_of(verb.objects)))
        subject = self.subject(self.between(1, min(room - 5, 4)), first=True, negated=True)
        left = room - 5 - len(subject) - len(verb.particles)
        setting = Setting(tense, plain=True)
        predicate = syntax.verb_phrase(
            verb,
            subject.agreement,
            tense,
            antecedent=asked.agreement,
            asks=True,
            rest=self.adverbials(left, verb, setting),
        )
        return syntax.question(subject, predicate, asked)

    # Clauses

    def clause(self, room: int, setting: Setting) -> Phrase:
        """A subject and what it does, in about `room` words; `room` is 2 or more."""
        share = self.between(1, max(min(room - 3, 9), 1))
        negated = self.chance(0.22) and room >= 5
        subject = self.subject(share, first=setting.first, negated=negated, plain=setting.plain)
        verb = self.predicate(
            subject.agreement, subject.kind, room - len(subject), setting, negated
        )
        return syntax.clause(subject, verb)

    # Relative clauses

    def relative(self, room: int, kind: str, agreement: Agreement) -> Phrase:
        """A relative clause; it belongs to the nearest noun, so no clause shares its subject."""
        person = kind in lexicon.PEOPLE
        tense = self.pick((Tense.PRESENT, Tense.PRESENT, Tense.PAST, Tense.PAST, Tense.FUTURE))
        setting = Setting(tense, plain=room < 7, time=False, shared=False)
        if kind == "place" and room >= 3 and self.chance(0.6):
            inner = self.clause(room - 1, replace(setting, plain=True, place=False))
            return link("where", "où") + inner
        if person and room >= 4 and self.chance(0.15):
            noun, plural = self.pick(nouns_of(("animal", "kin"))), self.chance(0.3)
            verb = self.predicate(noun.agreement(plural), noun.kind, room - 2, setting)
            return syntax.relative_owner(noun, verb, plural=plural)
        transitive = [verb for verb in lexicon.TRANSITIVE if kind in verb.objects]
        if transitive and room >= 3 and self.chance(0.55):
            return self.relative_object(room, self.pick(transitive), agreement, person, setting)
        verb = self.predicate(agreement, kind, room - 1, setting)
        return syntax.relative_subject(verb, person=person)

    def relative_object(
        self, room: int, verb: Verb, agreement: Agreement, person: bool, setting: Setting
    ) -> Phrase:
        """A relative clause whose verb has the antecedent as its object."""
        negation = "not" if room >= 6 and self.chance(0.15) else None
        left = room - 2 - len(verb.particles) - 2 * (negation is not None)
        left -= setting.tense is Tense.FUTURE
        subject = self.subject(
            self.between(1, max(min(left, 3), 1)), first=False, negated=True, plain=True
        )
        if subject.kind not in lexicon.PEOPLE:
            subject = syntax.name(*self.pick(lexicon.NAMES))
        left -= len(subject)
        adverb = self.pick(function_words.FREQUENCIES) if left >= 1 and self.chance(0.15) else None
        predicate = syntax.verb_phrase(
            verb,
            subject.agreement,
            setting.tense,
            negation=negation,
            adverb=adverb if negation is None else None,
            antecedent=agreement,
            rest=self.adverbials(left, verb, setting),
        )
        return syntax.relative_object(subject, predicate, person=person)

    # Verb phrases

    def predicate(
        self,
        agreement: Agreement,
        kind: str,
        room: int,
        setting: Setting,
        negated: bool = False,
    ) -> VerbPhrase:
        """All that is said of a subject of this agreement and kind."""
        if setting.shared and not setting.asks and room >= 4 and self.chance(0.2):
            # The first verb has no clause after it, or the second might belong to that.
            simple = Setting(setting.tense, plain=True, place=False, time=False, shared=False)
            first = self.predicate(agreement, kind, self.between(1, min(room - 3, 5)), simple)
            left = room - len(first) - len(first.auxiliary) - 1
            second = self.predicate(agreement, kind, left, replace(setting, shared=False), negated)
            if second.verb is first.verb:
                return second
            both = first + link("and", "et") + syntax.clause(EMPTY, second)
            return VerbPhrase(both.source, both.target, first.auxiliary, second.verb)
        negation = adverb = None
        left = room - (setting.tense is Tense.FUTURE)
        if negated and left >= 3:
            may_be_never = setting.tense is not Tense.FUTURE
            negation = "never" if may_be_never and self.chance(0.25) else "not"
            left -= 2 if negation == "not" and setting.tense is not Tense.FUTURE else 1
        if left >= 2 and negation != "never" and self.chance(0.18):
            usual, negatable = function_words.FREQUENCIES, function_words.NEGATABLE_FREQUENCIES
            adverb, left = self.pick(negatable if negation else usual), left - 1
        frame = self.frame(agreement, kind, max(left, 1), setting, negation is not None)
        tail = EMPTY
        if not frame.closed:
            tail = self.adverbials(left - frame.num_words, frame.verb, setting)
        rest = frame.object + tail
        if frame.clitic:
            rest = syntax.with_clitic(frame.clitic, tail, before=frame.object)
        return syntax.verb_phrase(
            frame.verb,
            agreement,
            setting.tense,
            modal=frame.modal,
            negation=negation,
            adverb=adverb,
            clitic=frame.clitic,
            asks=setting.asks,
            rest=rest,
        )

    def frame(
        self, agreement: Agreement, kind: str, room: int, setting: Setting, negated: bool
    ) -> _Frame:
        """A verb and its objects."""
        if kind not in lexicon.ANIMATE or (room >= 2 and self.chance(0.15)):
            return self.being(agreement, kind, room, setting)
        if (
            kind in lexicon.PEOPLE
            and setting.tense is Tense.PRESENT
            and not (setting.plain or setting.asks or negated)
            and room >= 5
            and self.chance(0.2)
        ):
            inner = self.clause(min(room - 2, 12), Setting(Tense(self.between(0, 2))))
            verb = self.pick(lexicon.SAYING)
            return _Frame(verb, syntax.subordinate("that", inner), closed=True)
        modal = None
        if setting.tense is Tense.PRESENT and room >= 3 and self.chance(0.15):
            modal = self.pick(lexicon.MODALS)
            room -= 2 if modal is lexicon.WANT else 1
        frame = self.acting(agreement, kind, room, setting, negated)
        frame.modal = modal
        return frame

    def being(self, agreement: Agreement, kind: str, room: int, setting: Setting) -> _Frame:
        """Being somewhere, like somebody, or simply so."""
        if room >= 4 and setting.place and kind != "place" and self.chance(0.35):
            return _Frame(lexicon.BE, self.location(room - 1), closed=True)
        adjective = self.pick(adjectives_of(kind, None))
        if room >= 4 and kind != "place" and self.chance(0.35):
            kinds = lexicon.PEOPLE if kind in lexicon.PEOPLE else (kind,)
            standard = self.noun_phrase(
                max(room - 4, 2), kinds, DEFINITE, plain=setting.plain, named=False
            )
            more = adjective.more and self.chance(0.5)
            return _Frame(lexicon.BE, syntax.compared(adjective, agreement, standard, more))
        described = link(adjective.english, adjective.french(agreement))
        if room >= 3 and self.chance(0.2):
            described = link("very", "très") + described
        return _Frame(lexicon.BE, described)

    def acting(
        self, agreement: Agreement, kind: str, room: int, setting: Setting, negated: bool
    ) -> _Frame:
        """Doing something, with as many objects as there is room for."""
        if room >= 6 and kind in lexicon.PEOPLE and self.chance(0.2):
            return self.giving(agreement, room, setting, negated)
        if room >= 4 and setting.place and self.chance(0.1):
            goal = self.noun_phrase(room - 2, ("place",), DEFINITE, plain=setting.plain)
            return _Frame(lexicon.GO, syntax.prepositional("to", goal))
        if room >= 3 and kind in lexicon.PEOPLE and self.chance(0.08):
            if self.chance(0.5):
                return _Frame(lexicon.SPEAK, clitic=self.clitic(agreement, setting, indirect=True))
            listener = self.noun_phrase(room - 2, lexicon.PEOPLE, DEFINITE, plain=setting.plain)
            return _Frame(lexicon.SPEAK, syntax.prepositional("to", listener))
        if room >= 2 and self.chance(0.15 if room >= 4 else 0.35):
            verbs = [v for v in verbs_of(lexicon.TRANSITIVE, kind) if "person" in v.objects]
            return _Frame(self.pick(verbs), clitic=self.clitic(agreement, setting))
        if room >= 3 and self.chance(0.75):
            verb = self.pick(verbs_of(lexicon.TRANSITIVE, kind))
            determiners = NEGATED if negated else ANY
            own = room - 1 - len(verb.particles)
            if setting.place and own > 4 and self.chance(0.3):
                own -= 3
            thing = self.noun_phrase(
                own, verb.objects, determiners, plain=setting.plain, negated=negated
            )
            return _Frame(verb, thing)
        return _Frame(self.pick(verbs_of(lexicon.INTRANSITIVE + lexicon.ACTIVITIES, kind)))

    def giving(self, agreement: Agreement, room: int, setting: Setting, negated: bool) -> _Frame:
        """Giving something to somebody, who may be a pronoun."""
        verb = self.pick(lexicon.DATIVE)
        determiners = NEGATED if negated else ANY
        own = self.between(2, room - 4)
        thing = self.noun_phrase(own, verb.objects, determiners, plain=True, negated=negated)
        if self.chance(0.35):
            return _Frame(verb, thing, self.clitic(agreement, setting, indirect=True))
        left = room - 2 - len(thing)
        person = self.noun_phrase(left, lexicon.PEOPLE, DEFINITE, plain=setting.plain)
        return _Frame(verb, thing + syntax.prepositional("to", person))

    def clitic(self, agreement: Agreement, setting: Setting, *, indirect: bool = False) -> Clitic:
        """An object pronoun that is not the subject itself."""
        pronouns = [
            english
            for english, (_, _, person, _, _) in function_words.OBJECT_PRONOUNS.items()
            if (person == 3 or person != agreement.person)
            and (english != "them" or indirect or setting.first)
        ]
        return syntax.clitic(self.pick(pronouns), indirect=indirect)

    # Adverbials

    def adverbials(self, room: int, verb: Verb, setting: Setting) -> Phrase:
        """How, where or with whom, and when, so far as there is room."""
        phrase = EMPTY
        if room >= 1 and verb in lexicon.ACTIVITIES and self.chance(0.4):
            phrase = phrase + link(*self.pick(function_words.MANNERS))
        if setting.place and room - len(phrase) >= 3 and verb not in (lexicon.GO, lexicon.BE):
            phrase = phrase + self.circumstance(min(room - len(phrase), 7), setting.plain)
        if setting.time and room - len(phrase) >= 1 and self.chance(0.35):
            phrase = phrase + link(*self.pick(self.times(setting.tense)))
        return phrase

    def circumstance(self, room: int, plain: bool) -> Phrase:
        """In, behind, with, without ..."""
        if self.chance(0.3):
            person = self.noun_phrase(room - 1, lexicon.PEOPLE, DEFINITE, plain=plain)
            return syntax.prepositional(self.pick(("with", "with", "without")), person)
        return self.location(room)

    def times(self, tense: Tense) -> Sequence[tuple[str, str]]:
        """The words that tell when, of this tense."""
        return function_words.TIMES[tense]
