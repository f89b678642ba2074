"""Word links as text."""

import numpy as np
import pytest

from nmt.analysis.pharaoh import GoldLinks, check_links, format_links, parse_gold, parse_links
from nmt.errors import DataError


@pytest.mark.parametrize("seed", range(5))
def test_links_survive_being_written_and_read(seed):
    rng = np.random.default_rng(seed)
    links = [tuple(map(int, link)) for link in rng.integers(0, 30, (rng.integers(0, 20), 2))]
    line = format_links(links)
    assert parse_links(line, "x") == sorted(set(links))
    turned = " ".join(f"{target + 1}-{source + 1}" for source, target in links)
    assert set(parse_links(turned, "x", base=1, reverse=True)) == set(links)
    assert parse_gold(line, "x").sure == parse_gold(line, "x").possible == set(links)


def test_links_keep_the_order_of_the_line_and_come_once():
    assert parse_links(" 10-2\t0-1  10-2 ", "x") == [(10, 2), (0, 1)]
    assert format_links([(10, 2), (2, 0), (10, 2), (2, 11)]) == "2-0 2-11 10-2"
    assert parse_links("", "x") == [] and format_links([]) == ""


def test_gold_links_are_sure_or_possible():
    gold = parse_gold("1-1 2p3 4?1 2-2 1p1", "x", base=1)
    assert gold.sure == {(0, 0), (1, 1)}
    assert gold.possible == {(0, 0), (1, 1), (1, 2), (3, 0)}
    assert parse_gold("1p2", "x", reverse=True) == GoldLinks(frozenset(), frozenset({(2, 1)}))
    assert parse_gold("", "x") == GoldLinks(frozenset(), frozenset())


def test_possible_links_contain_the_sure_ones():
    gold = GoldLinks(sure={(0, 0)}, possible={(0, 1)})
    assert gold.possible == {(0, 0), (0, 1)}
    assert hash(gold) == hash(GoldLinks(frozenset({(0, 0)}), frozenset({(0, 1), (0, 0)})))


@pytest.mark.parametrize(
    "text",
    ["0", "0-", "-0", "0--0", "0:0", "a-b", "0-0-0", "0-+1", "1.0-1", "0-1,", "²-1", "٣-1"]
    + ["0- 1", "1e3-0", "0-1\0", "9999999999-0", "9" * 5000 + "-0", "0P1"],
)
def test_what_is_no_link_is_refused(text):
    for parse in (parse_links, parse_gold):
        with pytest.raises(DataError, match="^a.talp, line 3: wanted a link such as 0-0") as caught:
            parse(f"0-0 {text}", "a.talp, line 3")
        assert len(str(caught.value)) < 150


def test_a_possible_link_is_gold_only():
    with pytest.raises(DataError, match=r"line 1: wanted sure links alone.*; got '0p1'"):
        parse_links("0p1", "a, line 1")


@pytest.mark.parametrize("text", ["0-1", "1-0", "0-0"])
def test_counting_from_one_has_no_zero(text):
    with pytest.raises(DataError, match=rf"line 2: .* counted from 1; got '{text}'"):
        parse_links(text, "a, line 2", base=1)
    with pytest.raises(DataError, match="counted from 1"):
        parse_gold(text.replace("-", "?"), "a, line 2", base=1)


def test_links_must_fit_the_words():
    check_links([(2, 0), (0, 1)], 3, 2, "x")
    check_links([], 0, 0, "x")
    for links, shown in (([(0, 0), (3, 0)], "3-0"), ([(0, 2)], "0-2")):
        with pytest.raises(DataError, match=f"^a, line 9: link {shown} .* 3 source and 2 target"):
            check_links(links, 3, 2, "a, line 9")
