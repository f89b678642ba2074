"""The embedded corpus as a whole: properties of every sentence, found by reading the text again."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from nmt.config.schema import EmbeddedConfig
from nmt.data import grammar
from nmt.data.embedded import lexicon
from nmt.data.grammar import Pair, make_split, sure_share
from nmt.errors import DataError

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def corpus():
    """The default corpus."""
    config = EmbeddedConfig()
    return {name: make_split(name, config) for name in SPLITS}


@pytest.fixture(scope="module")
def pairs(corpus):
    return [pair for split in corpus.values() for pair in split]


def test_the_splits_have_the_sizes_asked_for_and_distinct_sentences(corpus):
    assert [len(corpus[name]) for name in SPLITS] == [12000, 500, 500]
    for split in corpus.values():
        assert len({pair.source for pair in split}) == len(split)


@pytest.mark.parametrize("side", ["source", "target"])
def test_the_splits_share_no_sentence(corpus, side):
    sentences = [{getattr(pair, side) for pair in corpus[name]} for name in SPLITS]
    assert len(set.union(*sentences)) == sum(len(split) for split in sentences)


def test_splits_of_other_seeds_share_no_sentence_either(corpus):
    train = {pair.target for pair in corpus["train"]}
    other = make_split("test", EmbeddedConfig(seed=2, num_test=2000, max_words=6))
    assert not train & {pair.target for pair in other}


def test_the_same_in_processes_that_hash_differently():
    config = "EmbeddedConfig(num_train=300, max_words=30, seed=4)"
    code = (
        "import hashlib; from nmt.config.schema import EmbeddedConfig; "
        "from nmt.data.grammar import make_split; "
        f"text = repr([tuple(pair) for pair in make_split('train', {config})]); "
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "77")
    ]
    assert digests[0] == digests[1] != b""


def test_a_smaller_split_is_the_beginning_of_a_larger_one(corpus):
    assert make_split("train", EmbeddedConfig(num_train=100)) == corpus["train"][:100]


def test_another_seed_gives_other_sentences(corpus):
    other = make_split("train", EmbeddedConfig(num_train=1000, seed=2))
    assert len({pair.source for pair in other} & {p.source for p in corpus["train"]}) < 200


def test_english_to_french_is_a_function():
    """Short sentences meet again most: 30,000 of them, drawn with other seeds and lengths."""
    translations = {}
    for seed, max_words in ((1, 6), (2, 8), (3, 14)):
        config = EmbeddedConfig(num_train=10_000, seed=seed, max_words=max_words)
        for pair in make_split("train", config):
            assert translations.setdefault(pair.source, pair) == pair


@pytest.mark.parametrize("low, high", [(3, 3), (3, 20), (10, 12), (50, 60), (60, 60)])
def test_lengths_are_in_the_range_and_spread_over_it(low, high):
    config = EmbeddedConfig(num_train=600, min_words=low, max_words=high)
    lengths = Counter(len(pair.source.split()) - 1 for pair in make_split("train", config))
    assert set(lengths) == set(range(low, high + 1))
    assert min(lengths.values()) > 0.3 * 600 / (high - low + 1)


def test_too_large_a_split_is_one_line_that_says_what_to_do(monkeypatch):
    monkeypatch.setattr(grammar, "_MAX_STALLED", 500)
    with pytest.raises(DataError, match=r"too few sentences of 3 to 3 words .*num_train") as error:
        make_split("train", EmbeddedConfig(num_train=10**6, max_words=3))
    assert "\n" not in str(error.value)


def test_an_unknown_split_is_named():
    with pytest.raises(DataError, match='did you mean "validation"'):
        make_split("valid", EmbeddedConfig())


# Links


def test_links_are_within_bounds_sorted_and_told_apart(pairs):
    for pair in pairs:
        num_source, num_target = len(pair.source.split()), len(pair.target.split())
        for links in (pair.sure, pair.possible):
            assert list(links) == sorted(set(links))
            assert all(0 <= i < num_source and 0 <= j < num_target for i, j in links)
        assert not set(pair.sure) & set(pair.possible)


def test_every_french_word_has_a_sure_link_and_every_english_word_has_a_link(pairs):
    for pair in pairs:
        assert {j for _, j in pair.sure} == set(range(len(pair.target.split()))), pair
        linked = {i for i, _ in pair.sure + pair.possible}
        assert linked == set(range(len(pair.source.split()))), pair


def test_only_the_do_of_negation_has_possible_links(pairs):
    for pair in pairs:
        source, target = pair.source.split(), pair.target.split()
        sure = {i for i, _ in pair.sure}
        for i, j in pair.possible:
            assert i not in sure
            assert source[i] in ("do", "does") and source[i + 1] == "not"
            assert target[j] in ("ne", "n'", "pas")


def test_not_is_surely_ne_and_pas(pairs):
    for pair in pairs:
        source, target = pair.source.split(), pair.target.split()
        for i, word in enumerate(source):
            if word in ("not", "never", "cannot"):
                french = {target[j] for k, j in pair.sure if k == i}
                assert french & {"ne", "n'"} and french & {"pas", "jamais"}


def test_the_share_of_sure_links():
    one = Pair("a .", "un .", ((0, 0), (1, 1)), ())
    two = Pair("does not", "ne pas", ((1, 0), (1, 1)), ((0, 0), (0, 1)))
    assert sure_share([one]) == 1
    assert sure_share([one, two]) == 4 / 6
    assert sure_share([]) == 0


def test_alignment_is_not_diagonal(pairs):
    """Most sentences have links that cross: word by word, they would come out wrong."""

    def crosses(pair):
        links = sorted(pair.sure)
        return any(later[1] < link[1] for link, later in pairwise(links))

    assert sum(map(crosses, pairs)) > 0.5 * len(pairs)
    unequal = sum(len(pair.source.split()) != len(pair.target.split()) for pair in pairs)
    assert unequal > 0.5 * len(pairs)


# French, read again by simple independent rules

GENDERS = {
    form: (noun.feminine, place)
    for noun in lexicon.NOUNS
    if noun.french[0] != noun.french[1]
    for place, form in enumerate(noun.french)
}
ADJECTIVE_FORMS = {}  # (form) -> the (feminine, plural) that it may be
for _adjective in lexicon.ADJECTIVES:
    _plural = _adjective.masculine
    if not _plural.endswith(("s", "x")):
        _plural = _plural[:-2] + "aux" if _plural.endswith("al") else _plural + "s"
        _plural = _plural[:-1] + "x" if _plural.endswith("eaus") else _plural
    for _form, _tags in (
        (_adjective.masculine, (False, 0)),
        (_adjective.liaison, (False, 0)),
        (_adjective.feminine, (True, 0)),
        (_plural, (False, 1)),
        (_adjective.feminine + "s", (True, 1)),
    ):
        ADJECTIVE_FORMS.setdefault(_form, set()).add(_tags)
DETERMINER_TAGS = {
    **dict.fromkeys(("le", "un", "ce", "cet", "du", "au"), {(False, 0)}),
    **dict.fromkeys(("la", "une", "cette", "ma", "sa"), {(True, 0)}),
    **dict.fromkeys(("l'", "mon", "son", "chaque", "votre"), {(False, 0), (True, 0)}),
    **dict.fromkeys(("les", "ces", "mes", "nos", "plusieurs", "aux"), {(False, 1), (True, 1)}),
}
VOWELS = "aeiouéèêôœhâ"
ASPIRATED = ("hache", "haches", "hibou", "hiboux", "héros", "huit", "onze")


def starts_with_vowel(word):
    return word[0] in VOWELS and word not in ASPIRATED


def noun_groups(french):
    """(determiner, adjectives before the noun, noun) wherever they stand together."""
    for start, word in enumerate(french):
        if word not in DETERMINER_TAGS:
            continue
        end = start + 1
        while end < len(french) and french[end] in ADJECTIVE_FORMS:
            end += 1
        if end < len(french) and french[end] in GENDERS:
            yield word, french[start + 1 : end], french[end]


def test_determiners_and_adjectives_before_a_noun_agree_with_it(pairs):
    num_groups = 0
    for pair in pairs:
        for determiner, adjectives, noun in noun_groups(pair.target.split()):
            num_groups += 1
            assert GENDERS[noun] in DETERMINER_TAGS[determiner], pair
            assert all(GENDERS[noun] in ADJECTIVE_FORMS[form] for form in adjectives), pair
    assert num_groups > len(pairs)


def test_adjectives_after_a_noun_agree_with_it(pairs):
    num_groups = 0
    for pair in pairs:
        french = pair.target.split()
        for noun, adjective in pairwise(french):
            if noun in GENDERS and adjective in ADJECTIVE_FORMS:
                num_groups += 1
                assert GENDERS[noun] in ADJECTIVE_FORMS[adjective], pair
    assert num_groups > 0.1 * len(pairs)


def test_adjectives_stand_where_they_belong(pairs):
    before = {"beau", "bel", "vieil", "nouvel", "petit", "petite", "jeune", "bonne", "grands"}
    after = {"rouge", "noir", "noire", "blanche", "blancs", "heureux", "fatiguée", "tristes"}
    for pair in pairs:
        for word, following in pairwise(pair.target.split()):
            assert not (word in after and following in GENDERS), pair
            assert not (word in GENDERS and following in before), pair


def test_elision_contraction_and_liaison_are_complete(pairs):
    vowelless = {"le", "la", "je", "me", "se", "ne", "de", "que"}
    liaison = {"ce": "cet", "beau": "bel", "vieux": "vieil", "nouveau": "nouvel"}
    for pair in pairs:
        for word, following in pairwise(pair.target.split()):
            assert not (word in vowelless and starts_with_vowel(following)), pair
            if word.endswith("'"):
                assert starts_with_vowel(following) or (word, following) == ("s'", "il"), pair
            assert (word, following) not in {("de", "le"), ("de", "les"), ("à", "le")}, pair
            assert (word, following) not in {("à", "les"), ("de", "des"), ("si", "il")}, pair
            if following in GENDERS and GENDERS[following] == (False, 0):
                assert not (word in liaison and starts_with_vowel(following)), pair
                assert not (word in liaison.values() and not starts_with_vowel(following)), pair
            if following in GENDERS and GENDERS[following] == (True, 0):
                assert not (word in ("ma", "sa") and starts_with_vowel(following)), pair
                assert not (word in ("mon", "son") and not starts_with_vowel(following)), pair


def test_subject_pronouns_agree_with_their_verbs(pairs):
    """The French ending of the word after a pronoun that nothing separates from its verb."""
    endings = {"nous": ("ons", "mes"), "ils": ("nt",), "elle": ("t", "e", "a", "d")}
    skipped = {"ne", "n'", "me", "m'", "se", "s'", "le", "la", "les", "l'", "lui", "leur"}
    skipped |= {"nous", "vous"}
    for pair in pairs:
        french = pair.target.split()
        for place, word in enumerate(french[:-2]):
            is_subject = place == 0 or french[place - 1] in ("qu'", "mais", "quand", "où")
            if word not in endings or not is_subject:
                continue
            verb = next(later for later in french[place + 1 :] if later not in skipped)
            assert verb.endswith(endings[word]), pair


def test_vocabulary_is_moderate_and_train_knows_the_words_of_test(corpus, pairs):
    english = {word for pair in pairs for word in pair.source.split()}
    assert 250 <= len(english) <= 400
    known = Counter(word for pair in corpus["train"] for word in pair.target.split())
    words = [word for pair in corpus["test"] for word in pair.target.split()]
    assert sum(known[word] < 5 for word in words) < 0.01 * len(words)


def test_the_command_prints_pairs_links_and_the_share(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["grammar", "--num", "3", "--max-words", "5"])
    grammar.main()
    *sentences, share = capsys.readouterr().out.strip().splitlines()
    pairs = make_split("train", EmbeddedConfig(num_train=3, max_words=5))
    assert [line for line in sentences if line][::3] == [pair.source for pair in pairs]
    assert share == f"sure links: {sure_share(pairs):.1%}"


def test_the_fingerprint_is_that_of_every_file_of_the_grammar(tmp_path, monkeypatch):
    whole = tmp_path / "data"
    shutil.copytree(Path(grammar.__file__).parent, whole)
    monkeypatch.setattr(grammar, "__file__", str(whole / "grammar.py"))
    before = grammar.fingerprint()
    assert before == grammar.fingerprint()
    for path in (whole / "grammar.py", *(whole / "embedded").glob("*.py")):
        content = path.read_bytes()
        path.write_bytes(content + b"#")
        assert grammar.fingerprint() != before
        path.write_bytes(content)
    (whole / "cleaning.py").write_text("")  # no part of it
    assert grammar.fingerprint() == before
