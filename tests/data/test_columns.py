import random
import re

import pytest

from nmt.analysis.pharaoh import GoldLinks
from nmt.config.schema import DataConfig
from nmt.data.columns import Columns, LinkLine, check_column, gold_links, sure_links
from nmt.errors import DataError


def error_of(function, *arguments):
    with pytest.raises(DataError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def make_line(rng, num_source, num_target, marks):
    links = [
        f"{rng.randrange(num_source)}{rng.choice(marks)}{rng.randrange(num_target)}"
        for _ in range(rng.randrange(12))
    ]
    return rng.choice(["", " ", "\t"]) + rng.choice([" ", "  ", "\u3000"]).join(links)


@pytest.mark.parametrize("marks", ["-", "-p", "-p?", "p"])
def test_links_agree_with_a_plain_reading(marks):
    rng = random.Random(0)
    for _ in range(200):
        num_source, num_target = rng.randrange(1, 30), rng.randrange(1, 30)
        line = LinkLine(make_line(rng, num_source, num_target, marks), "x")
        found = re.findall(r"(\d+)(.)(\d+)", line.text)
        sure = {(int(i), int(j)) for i, mark, j in found if mark == "-"}
        possible = {(int(i), int(j)) for i, _, j in found}
        words = "a " * num_source, "\u3000b\u2028" * num_target
        assert sure_links(*words, line) == sorted(sure)
        assert gold_links(*words, line) == GoldLinks(frozenset(sure), frozenset(possible))


def test_only_sure_links_train():
    assert sure_links("a b c", "d e", LinkLine("2-1 0p0 1?1 0-1 2-1 2p1", "x")) == [(0, 1), (2, 1)]


def test_words_are_parted_by_white_space_whatever_the_language():
    assert sure_links("日本語 を", "a", LinkLine("1-0", "x")) == [(1, 0)]
    assert "2 source and 1 target words" in error_of(
        sure_links, "日本語 を", "a", LinkLine("2-0", "x")
    )


@pytest.mark.parametrize("function", [sure_links, gold_links])
@pytest.mark.parametrize(
    "text",
    [
        "0-0 x",
        "happy",
        "0",
        "0-",
        "-0",
        "-1-0",
        "0-0-0",
        "0:0",
        "0-0,1-1",
        "\u0660-0",
        "0-" + "9" * 9999,
    ],
)
def test_what_is_no_link_is_named_with_its_place(function, text):
    message = error_of(function, "a b", "c d", LinkLine(text, "corpus/train.links, line 7"))
    assert message.startswith("corpus/train.links, line 7: ") and "link" in message
    assert len(message) < 200


@pytest.mark.parametrize("function", [sure_links, gold_links])
@pytest.mark.parametrize("link", ["2-0", "0-3", "2p0", "0?3", "99-99"])
def test_a_link_past_the_words_is_named_with_its_place(function, link):
    message = error_of(function, "a b", "c d e", LinkLine(f"0-0 {link}", "x, line 3"))
    assert message.startswith("x, line 3: ") and re.sub("[p?]", "-", link) in message
    assert "2 source and 3 target words" in message


def test_only_the_training_split_must_have_links():
    config = DataConfig(path="x", links="gold", train="big")
    assert Columns.of(config, "big") == ("en", "fr", "gold", True)
    assert Columns.of(config, "train") == ("en", "fr", "gold", False)
    assert Columns.of(DataConfig(path="x"), "train") == ("en", "fr", None, False)


def test_whether_there_is_a_third_column():
    must, may, none = (Columns("en", "fr", *more) for more in [("l", True), ("l", False), ()])
    assert must.are_linked(["l", "en"], "x") and may.are_linked(["l", "en"], "x")
    assert not may.are_linked(["en"], "x") and not none.are_linked(["l"], "x")
    assert error_of(must.are_linked, ["en", "ll"], "x") == (
        "x: no column 'l'; did you mean \"ll\"? (legal: en, ll)"
    )


def test_check_column():
    assert check_column("en", {"en": 1}, "x") == "en"
    assert error_of(check_column, "en", ["fr"], "x") == "x: no column 'en' (legal: fr)"


def test_words_that_a_vocabulary_would_count_otherwise_are_refused():
    for text, links in (("a\u2581b c", "1-0"), ("a \u2581 c", "2-0 1p0")):
        with pytest.raises(DataError, match=r"train.links, line 7: .*U\+2581"):
            sure_links(text, "x", LinkLine(links, "train.links, line 7"))
    assert sure_links("a\u2581b", "x", LinkLine("", "here")) == []
