"""Words of a text: what Moses parts is found in the text again, and what it joins as well."""

import random

import pytest

from nmt.data.white_space import plain
from nmt.data.word_splitting import Moses, WhiteSpace, make_splitter, places

PARTS = [
    "a",
    "don't",
    "l'été",
    "U.S.",
    "1,000",
    "...",
    "DOTMULTI",
    "-li",
    "&",
    "&amp;",
    "@-@",
    "漢字",
]
PARTS += [*'()-?!%"\u201e\u201d\u20ac\u00a0\x01 ', "'s", "  "]


@pytest.mark.parametrize("language", ["en", "fr", "cs", "fi", "xx", None])
def test_words_lie_in_the_text_before_and_after(language):
    splitter = WhiteSpace() if language is None else Moses(language)
    rng = random.Random(1)
    for _ in range(150):
        text = plain("".join(rng.choice(PARTS) for _ in range(rng.randrange(10))))
        spans = splitter.spans(text)
        words = splitter.words(text)
        assert words == [text[start:end] for start, end in spans] and all(words)
        assert spans == sorted(spans)
        covered = {i for start, end in spans for i in range(start, end)}
        assert {i for i, c in enumerate(text) if c not in " \x01"} <= covered
        joined, again = splitter.join(words)
        assert words == [joined[start:end] for start, end in again]
        assert joined == " ".join(joined.split())


def test_moses_parts_and_joins_by_the_rules_of_a_language():
    text = "L'été, c'est (vraiment) beau!"
    words = ["L'", "été", ",", "c'", "est", "(", "vraiment", ")", "beau", "!"]
    french = make_splitter("moses", "fr")
    assert french.words(text) == words
    assert french.join(words)[0] == "L'été, c'est (vraiment) beau !"
    assert french.language == "fr" and make_splitter("none", "fr").words(text) == text.split()
    english = make_splitter("moses", "en-GB")
    assert english.words("I don't.") == ["I", "don", "'t", "."]
    assert english.join(["I", "don", "'t", "UNK", "."])[0] == "I don't UNK."


def test_places_are_those_of_the_very_text():
    assert places(["ab", "c"], " abc ") == [(1, 3), (3, 4)]
    assert places([], "  ") == [] and places([], " a") is None
    assert places(["ab"], "ac") is None and places(["a"], "a b") is None
