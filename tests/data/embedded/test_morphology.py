"""Inflection, against forms from a grammar book."""

import pytest

from nmt.data.embedded import lexicon
from nmt.data.embedded.morphology import Agreement, Tense, elide, english_article

MASCULINE, FEMININE = Agreement(3, False, False), Agreement(3, False, True)
PERSONS = [
    Agreement(1, False, False),
    Agreement(3, False, False),
    Agreement(1, True, False),
    Agreement(2, True, False),
    Agreement(3, True, False),
]
VERBS = {
    verb.infinitive: verb
    for verb in (
        lexicon.BE,
        lexicon.GO,
        lexicon.SPEAK,
        *lexicon.MODALS,
        *lexicon.WEATHER,
        *lexicon.TRANSITIVE,
        *lexicon.ACTIVITIES,
        *lexicon.INTRANSITIVE,
        *lexicon.DATIVE,
        *lexicon.SAYING,
    )
}


@pytest.mark.parametrize(
    "infinitive, tense, forms",
    [
        ("manger", Tense.PRESENT, "mange mange mangeons mangez mangent"),
        ("danser", Tense.FUTURE, "danserai dansera danserons danserez danseront"),
        ("acheter", Tense.FUTURE, "achèterai achètera achèterons achèterez achèteront"),
        ("envoyer", Tense.FUTURE, "enverrai enverra enverrons enverrez enverront"),
        ("attendre", Tense.FUTURE, "attendrai attendra attendrons attendrez attendront"),
        ("dormir", Tense.FUTURE, "dormirai dormira dormirons dormirez dormiront"),
        ("rire", Tense.FUTURE, "rirai rira rirons rirez riront"),
        ("être", Tense.PAST, "étais était étions étiez étaient"),
        ("avoir", Tense.PAST, "avais avait avions aviez avaient"),
        ("connaître", Tense.PAST, "connaissais connaissait connaissions connaissiez connaissaient"),
        ("connaître", Tense.FUTURE, "connaîtrai connaîtra connaîtrons connaîtrez connaîtront"),
        ("vouloir", Tense.PAST, "voulais voulait voulions vouliez voulaient"),
        ("revenir", Tense.FUTURE, "reviendrai reviendra reviendrons reviendrez reviendront"),
        ("reposer", Tense.PRESENT, "repose repose reposons reposez reposent"),
    ],
)
def test_french_verbs(infinitive, tense, forms):
    verb = VERBS[infinitive]
    assert [verb.french(tense, person) for person in PERSONS] == forms.split()


@pytest.mark.parametrize(
    "infinitive, forms",
    [
        ("voir", "see sees saw"),
        ("dépêcher", "hurry hurries hurried"),
        ("aller", "go goes went"),
        ("aimer", "love loves loved"),
        ("avoir", "have has had"),
        ("rester", "stay stays stayed"),
        ("pleurer", "cry cries cried"),
    ],
)
def test_english_verbs(infinitive, forms):
    verb = VERBS[infinitive]
    third = verb.english(Tense.PRESENT, MASCULINE)
    plain = verb.english(Tense.PRESENT, PERSONS[0])
    assert [plain, third, verb.english(Tense.PAST, MASCULINE)] == forms.split()


def test_be_has_its_own_english_forms():
    be = [lexicon.BE.english(Tense.PRESENT, person) for person in PERSONS]
    assert be == ["am", "is", "are", "are", "are"]
    be = [lexicon.BE.english(Tense.PAST, person) for person in PERSONS]
    assert be == ["was", "was", "were", "were", "were"]


@pytest.mark.parametrize(
    "english, forms",
    [
        ("white", "blanc blanche blancs blanches"),
        ("beautiful", "beau belle beaux belles"),
        ("old", "vieux vieille vieux vieilles"),
        ("happy", "heureux heureuse heureux heureuses"),
        ("jealous", "jaloux jalouse jaloux jalouses"),
        ("loyal", "loyal loyale loyaux loyales"),
        ("expensive", "cher chère chers chères"),
        ("red", "rouge rouge rouges rouges"),
        ("good", "bon bonne bons bonnes"),
        ("bad", "mauvais mauvaise mauvais mauvaises"),
        ("tired", "fatigué fatiguée fatigués fatiguées"),
    ],
)
def test_adjectives(english, forms):
    (adjective,) = [entry for entry in lexicon.ADJECTIVES if entry.english == english]
    agreements = [Agreement(3, plural, feminine) for plural in (0, 1) for feminine in (0, 1)]
    assert [adjective.french(agreement) for agreement in agreements] == forms.split()


@pytest.mark.parametrize(
    "english, following, form",
    [("beautiful", "homme", "bel"), ("beautiful", "hibou", "beau"), ("new", "ami", "nouvel")],
)
def test_adjectives_before_a_vowel(english, following, form):
    (adjective,) = [entry for entry in lexicon.ADJECTIVES if entry.english == english]
    assert adjective.french(MASCULINE, following) == form


def test_nouns():
    french = {noun.french for noun in lexicon.NOUNS}
    for pair in ("cheval chevaux", "journal journaux", "oiseau oiseaux", "hibou hiboux"):
        assert tuple(pair.split()) in french
    for pair in ("souris souris", "héros héros", "gâteau gâteaux", "œuf œufs", "clé clés"):
        assert tuple(pair.split()) in french
    english = {noun.english for noun in lexicon.NOUNS}
    for pair in ("city cities", "church churches", "man men", "mouse mice", "wolf wolves"):
        assert tuple(pair.split()) in english


def test_elision_and_articles():
    assert elide("le", "œuf") == "l'"
    assert elide("la", "hache") == "la"
    assert elide("que", "henri") == "qu'"
    assert elide("elle", "arrive") == "elle"
    assert english_article("old") == "an"
    assert english_article("new") == "a"


def test_no_english_word_form_has_two_entries():
    """One English word, one French word: else a sentence could have two translations."""
    nouns = [form for noun in lexicon.NOUNS for form in noun.english]
    adjectives = [adjective.english for adjective in lexicon.ADJECTIVES]
    verbs = [form for verb in VERBS.values() for form in {verb.base, verb.third, verb.past} if form]
    everything = nouns + adjectives + verbs
    assert len(set(everything)) == len(everything)


def test_no_past_is_also_a_present():
    for verb in VERBS.values():
        assert verb.past not in (verb.base, verb.third), verb.base


def test_participles_agree():
    forms = [
        VERBS["vendre"].french_participle(Agreement(3, plural, feminine))
        for plural in (False, True)
        for feminine in (False, True)
    ]
    assert forms == ["vendu", "vendue", "vendus", "vendues"]
    assert VERBS["aimer"].french_participle(FEMININE) == "aimée"
