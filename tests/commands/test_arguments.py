"""Options, words and overrides in any order."""

import argparse
import itertools

import pytest

from nmt.analysis.by_length import DEFAULT_EDGES
from nmt.commands.arguments import CommandParser, edges


@pytest.fixture
def parser():
    parser = CommandParser("try", words="RUN", purpose="Tries.", examples=["nmt try RUN"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--output")
    parser.add_by_length()
    return parser


@pytest.mark.parametrize(
    "by_length, expected",
    [([], None), (["--by-length"], DEFAULT_EDGES), (["--by-length", "5,10"], (5, 10))]
    + [(["--by-length=7"], (7,))],
)
def test_an_option_that_may_stand_alone_takes_no_word_for_its_value(parser, by_length, expected):
    groups = [["RUN"], ["search.beam_size=1"], ["--json"], ["--output", "3"], by_length]
    for order in itertools.permutations(groups):
        parsed = parser.parse(list(itertools.chain(*order)))
        assert parsed.words == ["RUN"] and parsed.overrides == ["search.beam_size=1"]
        assert parsed.options.by_length == expected
        assert parsed.options.json and parsed.options.output == "3"


@pytest.mark.parametrize(
    "word, is_override",
    [
        ("search.beam-size=3", True),  # to be told of the key that it is near to
        ("beam-size=3", True),
        ("sarch.beam_size=3", True),
        ("e=mc2 is true .", False),
        ("search.unknown=a b", True),
        ("e=mc2", True),  # which -- in front makes a word
    ],
)
def test_a_sentence_is_no_override(parser, word, is_override):
    parsed = parser.parse([word])
    assert (parsed.overrides, parsed.words) == (([word], []) if is_override else ([], [word]))


def test_what_stands_behind_two_dashes_is_a_word(parser):
    parsed = parser.parse(["--by-length", "--", "10", "--by-length"])
    assert parsed.words == ["10", "--by-length"] and parsed.options.by_length == DEFAULT_EDGES
    assert parser.parse([]).words == []


@pytest.mark.parametrize(
    "text", ["", ",", "5,", "0", "0,5", "5,5", "9,5", "-1", "1.5", "a", "9" * 30]
)
def test_edges_are_rising_numbers(text):
    assert edges("1") == (1,) and edges("5,10,15") == (5, 10, 15)
    with pytest.raises(argparse.ArgumentTypeError, match="wanted rising whole numbers"):
        edges(text)
