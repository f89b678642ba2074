"""Cutting long lines."""

import time
import unicodedata

import numpy as np
import pytest

from nmt.config.schema import VocabularyConfig
from nmt.data.vocabularies import train_vocabularies
from nmt.decoding.splitting import split_line


def test_a_short_line_is_left_alone(vocabularies):
    assert split_line("the cat . a dog .", vocabularies.source, 100) == ["the cat . a dog ."]


@pytest.mark.parametrize("text", ["", " ", "\u2581", "\t\n"])
def test_a_line_without_pieces_has_no_parts(vocabularies, text):
    assert split_line(text, vocabularies.source, 5) == []


@pytest.mark.parametrize("text", ["\u2581 abcdthecatabcd", "abcdthecatabcd \u2581"])
def test_text_without_pieces_stays_with_other_text(vocabularies, text):
    assert len(vocabularies.source.encode("\u2581")) == 0
    parts = split_line(text, vocabularies.source, 5)
    assert len(parts) > 1 and all(vocabularies.source.encode(part) for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("max_pieces", [3, 10, 40])
def test_parts_are_short_and_joined_they_are_the_line(vocabularies, made_up, seed, max_pieces):
    text = " ".join(made_up(12, seed=seed))
    parts = split_line(text, vocabularies.source, max_pieces)
    assert " ".join(parts).replace(" ", "") == text.replace(" ", "")
    for part in parts:
        pieces = vocabularies.source.encode_with_spans(part)
        assert 0 < len(pieces.ids) <= max_pieces + 1  # a word cut open has a "▁" of its own
    if max_pieces >= 10:
        assert " ".join(parts) == text


def test_a_part_holds_as_many_pieces_as_it_may(vocabularies):
    text = " ".join(["the"] * 10)
    assert len(vocabularies.source.encode(text)) == 10  # a piece a word
    lengths = {5: [5, 5], 4: [4, 4, 2], 9: [9, 1], 10: [10]}
    for max_pieces, expected in lengths.items():
        parts = split_line(text, vocabularies.source, max_pieces)
        assert [len(part.split()) for part in parts] == expected


def test_sentence_ends_come_before_clause_ends_before_spaces(vocabularies):
    def words(text):
        return len(vocabularies.source.encode(text))

    text = "the cat , near the dog . a man , the tree"
    assert split_line(text, vocabularies.source, words(text) - 1) == [
        "the cat , near the dog .",
        "a man , the tree",
    ]
    text = "the cat , near the dog and a man"
    assert split_line(text, vocabularies.source, words(text) - 1)[0] == "the cat ,"
    text = "the cat near the dog"
    assert split_line(text, vocabularies.source, words(text) - 1)[0] == "the cat near the"


def test_closing_quotes_stay_with_their_sentence_and_numbers_stay_whole(vocabularies):
    text = 'the man sees 3.5 and 1,000 cats." a dog'
    limit = len(vocabularies.source.encode(text)) - 1
    assert split_line(text, vocabularies.source, limit) == [
        'the man sees 3.5 and 1,000 cats."',
        "a dog",
    ]


@pytest.fixture
def by_character(tmp_path):
    """A vocabulary with a piece a character, and one before a line."""
    lines = ["猫犬。", "犬猫"] * 20
    return train_vocabularies(lines, lines, VocabularyConfig(size=9), tmp_path).source


def test_a_sentence_that_ends_at_the_limit_is_not_cut_open(by_character):
    text = "猫猫。猫猫。猫猫"
    limit = len(by_character.encode("猫猫。猫猫。"))
    assert split_line(text, by_character, limit) == ["猫猫。猫猫。", "猫猫"]
    assert split_line(text, by_character, limit - 1) == ["猫猫。", "猫猫。猫猫"]


def test_a_closing_quote_just_beyond_the_limit_stays_with_its_sentence(by_character):
    text = "猫、「猫。」猫猫"
    limit = len(by_character.encode("猫、「猫。"))
    assert split_line(text, by_character, limit) == ["猫、", "「猫。」", "猫猫"]
    assert split_line(text, by_character, limit + 1) == ["猫、「猫。」", "猫猫"]


def test_text_without_spaces_is_cut_after_full_width_stops_else_anywhere(by_character):
    vocabulary = by_character
    assert split_line("猫猫。猫「猫。」猫猫", vocabulary, 7)[0] == "猫猫。"
    text = "猫" * 50
    parts = split_line(text, vocabulary, 8)
    assert "".join(parts) == text and 5 < len(parts) < 9


def test_any_text_survives(vocabularies):
    """All but white space, as which SentencePiece reads U+2581 too."""

    def printed(texts):
        return "".join("".join(texts).replace("\u2581", " ").split())

    rng = np.random.default_rng(0)
    alphabet = list("the cat.,!? \"'。、é\u0301\u2581\t😀")
    for _ in range(200):
        text = "".join(rng.choice(alphabet, rng.integers(0, 60)))
        parts = split_line(text, vocabularies.source, int(rng.integers(1, 12)))
        if len(parts) != 1:
            assert printed(parts) == printed([text])
        assert all(vocabularies.source.encode(part) for part in parts)


LONG = 100_000
LONG_LINES = {
    "words": "the small cat sees a tree . " * LONG,
    "no spaces": "thesmallcatseesatree." * LONG,
    "one letter": "a" * LONG,
    "spaces": "the" + " " * (LONG - 6) + "cat",
    "full stops": "." * LONG,
    "unknown full stops": "\u2026" * (LONG // 2) + " the cat" * LONG,
    "full stops and quotes": '.".' * LONG,
    "early ends": ("a . " + "the" * 400) * LONG,
    "zero-width": "the\u200bcat\u200d" * LONG,
    "accents": "e\u0301\u0323" * LONG,
    "accents alone": "\u0301" * LONG,
}


@pytest.mark.parametrize("name", LONG_LINES)
def test_a_long_line_is_cut_in_time_that_grows_with_it(vocabularies, name):
    text = LONG_LINES[name][:LONG]
    start = time.process_time()
    parts = split_line(text, vocabularies.source, 255)
    assert time.process_time() - start < 5  # 0.2 s; were it quadratic, half a minute and more
    assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize("size", [4, 5, 6, 7])
def test_a_mark_stays_with_its_letter(tmp_path, size):
    text = "e\u0301\u0323a\u0308n\u200dn" * 40  # accents, and letters that are joined
    vocabulary = train_vocabularies([text], [text], VocabularyConfig(size=12), tmp_path).source
    assert len(vocabulary.encode(text)) > 200
    parts = split_line(text, vocabulary, size)
    assert "".join(parts) == text and len(parts) > 20
    for part in parts:
        assert not unicodedata.category(part[0]).startswith("M")
        assert part[0] != "\u200d" and part[-1] != "\u200d"


def test_marks_are_cut_apart_where_there_is_nothing_else(vocabularies):
    parts = split_line("e" + "\u0301" * 50, vocabularies.source, 9)
    assert "".join(parts) == "e" + "\u0301" * 50
