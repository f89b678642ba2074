"""Sentences and links written by hand, against what the rules build for them."""

import pytest

from nmt.data.embedded import lexicon
from nmt.data.embedded.morphology import NO_AGREEMENT, Tense
from nmt.data.embedded.phrases import EMPTY, Pair, finish, link
from nmt.data.embedded.syntax import (
    both,
    clause,
    clitic,
    compared,
    existence,
    genitive,
    how_many,
    name,
    noun_phrase,
    prepositional,
    pronoun,
    question,
    relative_object,
    relative_owner,
    relative_subject,
    subordinate,
    verb_phrase,
    weather,
    with_clitic,
)

PAST, FUTURE = Tense.PAST, Tense.FUTURE
VERBS = {
    verb.base: verb
    for verb in (
        lexicon.BE,
        lexicon.GO,
        lexicon.SPEAK,
        *lexicon.TRANSITIVE,
        *lexicon.ACTIVITIES,
        *lexicon.INTRANSITIVE,
        *lexicon.DATIVE,
        *lexicon.SAYING,
    )
}
NOUNS = {noun.english[0]: noun for noun in lexicon.NOUNS}
ADJECTIVES = {adjective.english: adjective for adjective in lexicon.ADJECTIVES}
NAMES = {entry[0]: entry for entry in lexicon.NAMES}


def np(determiner, noun, *, before=None, after=None, **rest):
    return noun_phrase(
        determiner, NOUNS[noun], before=ADJECTIVES.get(before), after=ADJECTIVES.get(after), **rest
    )


def who(english):
    return name(*NAMES[english]) if english in NAMES else pronoun(english)


def says(subject, verb, tense=Tense.PRESENT, rest=EMPTY, **more):
    """A clause; a subject given as text is a pronoun or a name."""
    subject = who(subject) if isinstance(subject, str) else subject
    return clause(subject, does(subject, verb, tense, rest, **more))


def does(subject, verb, tense=Tense.PRESENT, rest=EMPTY, **more):
    if "clitic" in more:
        rest = with_clitic(more["clitic"], rest)
    return verb_phrase(VERBS[verb], subject.agreement, tense, rest=rest, **more)


def asks(subject, verb, tense=Tense.PRESENT, rest=EMPTY, asked=EMPTY, **more):
    subject = who(subject)
    return question(subject, does(subject, verb, tense, rest, asks=True, **more), asked)


def is_(subject, adjective, tense=Tense.PRESENT, **more):
    described = ADJECTIVES[adjective]
    return says(subject, "be", tense, link(adjective, described.french(subject.agreement)), **more)


def give_to(subject, tense, thing, pronoun_object, verb="give"):
    subject = who(subject)
    pronoun_object = clitic(pronoun_object, indirect=True)
    rest = with_clitic(pronoun_object, before=thing)
    return clause(
        subject,
        verb_phrase(VERBS[verb], subject.agreement, tense, clitic=pronoun_object, rest=rest),
    )


ACTRESS, APPLES = np("the", "actress"), np("the", "apple", plural=True)

# What the rules build; the English sentence; the French one, with the English words of each word,
# counted from 0. A "?" marks a possible link.
SENTENCES = [
    # Articles, agreement and place of adjectives
    (
        lambda: says(np("the", "man"), "sleep"),
        "the man sleeps .",
        "l'/0 homme/1 dort/2 ./3",
    ),
    (
        lambda: says(np("the", "hero"), "sleep", PAST),
        "the hero slept .",
        "le/0 héros/1 a/2 dormi/2 ./3",
    ),
    (
        lambda: says("i", "see", rest=np("a", "house", before="small", after="white")),
        "i see a small white house .",
        "je/0 vois/1 une/2 petite/3 maison/5 blanche/4 ./6",
    ),
    (
        lambda: says("he", "love", rest=np("this", "bird", before="beautiful", after="black")),
        "he loves this beautiful black bird .",
        "il/0 aime/1 ce/2 bel/3 oiseau/5 noir/4 ./6",
    ),
    (
        lambda: says("we", "find", PAST, rest=np("this", "tool")),
        "we found this tool .",
        "nous/0 avons/1 trouvé/1 cet/2 outil/3 ./4",
    ),
    (
        lambda: says("she", "have", rest=np("a", "friend", before="old", after="polite")),
        "she has an old polite friend .",
        "elle/0 a/1 un/2 vieil/3 ami/5 poli/4 ./6",
    ),
    (
        lambda: says("they", "buy", rest=np("a", "flower", plural=True, before="beautiful")),
        "they buy some beautiful flowers .",
        "ils/0 achètent/1 de/2 belles/3 fleurs/4 ./5",
    ),
    (
        lambda: says("they", "sell", rest=np("a", "flower", plural=True, after="red")),
        "they sell some red flowers .",
        "ils/0 vendent/1 des/2 fleurs/4 rouges/3 ./5",
    ),
    (
        lambda: is_(np("the", "city", plural=True), "old", PAST),
        "the cities were old .",
        "les/0 villes/1 étaient/2 vieilles/3 ./4",
    ),
    (
        lambda: says("i", "know", rest=np("the", "man", very=True, after="happy")),
        "i know the very happy man .",
        "je/0 connais/1 l'/2 homme/5 très/3 heureux/4 ./6",
    ),
    # Possessives, numbers, quantities
    (
        lambda: says(np("my", "actress"), "sing", FUTURE),
        "my actress will sing .",
        "mon/0 actrice/1 chantera/2,3 ./4",
    ),
    (
        lambda: says(np("her", "queen", before="young"), "dance"),
        "her young queen dances .",
        "sa/0 jeune/1 reine/2 danse/3 ./4",
    ),
    (
        lambda: says(np("the", "girl", plural=True, all_of=True), "laugh"),
        "all the girls laugh .",
        "toutes/0 les/1 filles/2 rient/3 ./4",
    ),
    (
        lambda: says(np("the", "horse", plural=True, number=("eight", "huit")), "run", PAST),
        "the eight horses ran .",
        "les/0 huit/1 chevaux/2 ont/3 couru/3 ./4",
    ),
    (
        lambda: says(np("many", "friend", plural=True), "come", FUTURE),
        "many friends will come back .",
        "beaucoup/0 d'/0 amis/1 reviendront/2,3,4 ./5",
    ),
    (
        lambda: says(genitive(np("the", "man"), NOUNS["dog"]), "sleep"),
        "the man 's dog sleeps .",
        "le/2 chien/3 de/2 l'/0 homme/1 dort/4 ./5",
    ),
    (
        lambda: says("i", "see", rest=genitive(np("the", "boy", plural=True), NOUNS["mother"])),
        "i see the boys ' mother .",
        "je/0 vois/1 la/4 mère/5 des/2,4 garçons/3 ./6",
    ),
    # Negation
    (
        lambda: says("he", "eat", rest=np("the", "apple"), negation="not"),
        "he does not eat the apple .",
        "il/0 ne/2,1? mange/3 pas/2,1? la/4 pomme/5 ./6",
    ),
    (
        lambda: says("i", "love", rest=who("mary"), negation="not"),
        "i do not love mary .",
        "je/0 n'/2,1? aime/3 pas/2,1? marie/4 ./5",
    ),
    (
        lambda: says("we", "hear", PAST, rest=np("the", "owl"), negation="not"),
        "we did not hear the owl .",
        "nous/0 n'/2 avons/1 pas/2 entendu/3 le/4 hibou/5 ./6",
    ),
    (
        lambda: says(
            "you",
            "have",
            rest=np("a", "friend", plural=True, under_negation=True),
            negation="not",
        ),
        "you do not have any friends .",
        "vous/0 n'/2,1? avez/3 pas/2,1? d'/4 amis/5 ./6",
    ),
    (
        lambda: says(
            "paul", "buy", PAST, rest=np("a", "car", under_negation=True), negation="never"
        ),
        "paul never bought a car .",
        "paul/0 n'/1 a/2 jamais/1 acheté/2 de/3 voiture/4 ./5",
    ),
    (
        lambda: says("she", "work", modal=lexicon.CAN, negation="not"),
        "she cannot work .",
        "elle/0 ne/1 peut/1 pas/1 travailler/2 ./3",
    ),
    (
        lambda: is_(np("the", "chair"), "new", FUTURE, negation="not"),
        "the chair will not be new .",
        "la/0 chaise/1 ne/3 sera/2,4 pas/3 nouvelle/5 ./6",
    ),
    # Pronouns before the verb, participles
    (
        lambda: says("henry", "wait", clitic=clitic("her")),
        "henry waits for her .",
        "henri/0 l'/3 attend/1,2 ./4",
    ),
    (
        lambda: says("i", "see", PAST, clitic=clitic("her"), negation="not"),
        "i did not see her .",
        "je/0 ne/2 l'/4 ai/1 pas/2 vue/3 ./5",
    ),
    (
        lambda: says("she", "help", PAST, clitic=clitic("them"), adverb=("often", "souvent")),
        "she often helped them .",
        "elle/0 les/3 a/2 souvent/1 aidés/2 ./4",
    ),
    (
        lambda: says("he", "see", modal=lexicon.WANT, clitic=clitic("me")),
        "he wants to see me .",
        "il/0 veut/1 me/4 voir/2,3 ./5",
    ),
    (
        lambda: give_to("john", PAST, np("the", "letter"), "her"),
        "john gave the letter to her .",
        "jean/0 lui/4,5 a/1 donné/1 la/2 lettre/3 ./6",
    ),
    (
        lambda: says(np("the", "woman", plural=True), "leave", PAST),
        "the women left .",
        "les/0 femmes/1 sont/2 parties/2 ./3",
    ),
    (
        lambda: says(both(who("paul"), np("the", "girl")), "arrive", PAST),
        "paul and the girl arrived .",
        "paul/0 et/1 la/2 fille/3 sont/4 arrivés/4 ./5",
    ),
    (
        lambda: says(ACTRESS, "wake", PAST, negation="not"),
        "the actress did not wake up .",
        "l'/0 actrice/1 ne/3 s'/4,5 est/2 pas/3 réveillée/4,5 ./6",
    ),
    # Prepositions and contractions
    (
        lambda: says("we", "go", FUTURE, prepositional("to", np("the", "park"))),
        "we will go to the park .",
        "nous/0 irons/1,2 au/3,4 parc/5 ./6",
    ),
    (
        lambda: says("i", "speak", rest=prepositional("to", np("the", "child", plural=True))),
        "i speak to the children .",
        "je/0 parle/1 aux/2,3 enfants/4 ./5",
    ),
    (
        lambda: says("they", "sleep", rest=prepositional("near", np("the", "castle"))),
        "they sleep near the castle .",
        "ils/0 dorment/1 près/2 du/2,3 château/4 ./5",
    ),
    (
        lambda: says("you", "work", rest=prepositional("next to", np("a", "school"))),
        "you work next to a school .",
        "vous/0 travaillez/1 à/2 côté/2 d'/3 une/4 école/5 ./6",
    ),
    (
        lambda: says(
            "she", "dance", rest=prepositional("in front of", np("the", "bridge", plural=True))
        ),
        "she dances in front of the bridges .",
        "elle/0 danse/1 devant/2,3,4 les/5 ponts/6 ./7",
    ),
    (
        lambda: existence(
            np("a", "egg", plural=True), Tense.PRESENT, prepositional("on", np("the", "table"))
        ),
        "there are some eggs on the table .",
        "il/0 y/0 a/1 des/2 œufs/3 sur/4 la/5 table/6 ./7",
    ),
    # Relative clauses
    (
        lambda: says(
            np(
                "the",
                "girl",
                modifier=relative_subject(does(np("the", "girl"), "fall", PAST), person=True),
            ),
            "cry",
        ),
        "the girl who fell cries .",
        "la/0 fille/1 qui/2 est/3 tombée/3 pleure/4 ./5",
    ),
    (
        lambda: says(
            "i",
            "see",
            rest=np(
                "the",
                "apple",
                plural=True,
                modifier=relative_object(
                    who("alice"),
                    does(who("alice"), "eat", PAST, antecedent=APPLES.agreement),
                    person=False,
                ),
            ),
        ),
        "i see the apples which alice ate .",
        "je/0 vois/1 les/2 pommes/3 qu'/4 alice/5 a/6 mangées/6 ./7",
    ),
    (
        lambda: says(
            np(
                "the",
                "king",
                modifier=relative_owner(
                    NOUNS["horse"], does(np("the", "horse"), "sleep"), plural=False
                ),
            ),
            "walk",
        ),
        "the king whose horse sleeps walks .",
        "le/0 roi/1 dont/2 le/2 cheval/3 dort/4 marche/5 ./6",
    ),
    # Several clauses
    (
        lambda: says("you", "think", rest=subordinate("that", says("helen", "run", adverb=None))),
        "you think that helen runs .",
        "vous/0 pensez/1 qu'/2 hélène/3 court/4 ./5",
    ),
    (
        lambda: says("i", "stay", FUTURE) + subordinate("if", says("he", "arrive")),
        "i will stay if he arrives .",
        "je/0 resterai/1,2 s'/3 il/4 arrive/5 ./6",
    ),
    (
        lambda: (
            says("she", "cry", PAST)
            + subordinate("because", weather(lexicon.RAIN, PAST, ("often", "souvent")))
        ),
        "she cried because it often rained .",
        "elle/0 a/1 pleuré/1 parce/2 qu'/2 il/3 a/5 souvent/4 plu/5 ./6",
    ),
    (
        lambda: says(
            np("the", "cow"),
            "be",
            rest=compared(
                ADJECTIVES["big"], NOUNS["cow"].agreement(False), np("the", "horse"), False
            ),
        ),
        "the cow is as big as the horse .",
        "la/0 vache/1 est/2 aussi/3 grande/4 que/5 le/6 cheval/7 ./8",
    ),
]

QUESTIONS = [
    (
        lambda: asks("he", "see", rest=np("the", "cat")),
        "does he see the cat ?",
        "est-ce/0 qu'/0 il/1 voit/2 le/3 chat/4 ?/5",
    ),
    (
        lambda: asks("you", "find", PAST, np("the", "key"), link("where", "où")),
        "where did you find the key ?",
        "où/0 est-ce/1 que/1 vous/2 avez/1 trouvé/3 la/4 clé/5 ?/6",
    ),
    (
        lambda: clause(link("who", "qui"), verb_phrase(VERBS["go"], NO_AGREEMENT, PAST)),
        "who went ?",
        "qui/0 est/1 allé/1 ?/2",
    ),
    (
        lambda: asks(
            "you",
            "lose",
            PAST,
            asked=how_many(NOUNS["key"]),
            antecedent=NOUNS["key"].agreement(True),
        ),
        "how many keys did you lose ?",
        "combien/0,1 de/1 clés/2 est-ce/3 que/3 vous/4 avez/3 perdues/5 ?/6",
    ),
]


def read(english: str, annotated: str) -> Pair:
    """Reads the notation of the lists above."""
    words, sure, possible = [], [], []
    for j, entry in enumerate(annotated.split()):
        word, places = entry.split("/")
        words.append(word)
        for place in places.split(","):
            (possible if place.endswith("?") else sure).append((int(place.rstrip("?")), j))
    return Pair(english, " ".join(words), tuple(sorted(sure)), tuple(sorted(possible)))


@pytest.mark.parametrize("build, english, annotated", SENTENCES + QUESTIONS)
def test_rules_build_what_a_person_wrote(build, english, annotated):
    assert finish(build(), english[-1]) == read(english, annotated)


def test_hand_written_pairs_are_many_and_distinct():
    sentences = [english for _, english, _ in SENTENCES + QUESTIONS]
    assert len(set(sentences)) == len(sentences) >= 40
