"""Files of word links."""

import argparse
import gzip

import pytest

from nmt.analysis.pharaoh import GoldLinks
from nmt.commands.link_files import base, check_as_many, place_in, read_gold, read_links
from nmt.errors import DataError


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def test_what_the_first_word_is():
    assert (base("0"), base("1")) == (0, 1)
    for text in ("2", "-1", "one", ""):
        with pytest.raises(argparse.ArgumentTypeError, match=f"wanted 0 or 1, .* got {text!r}"):
            base(text)


def test_links_are_source_target_from_0_however_they_are_written(tmp_path):
    links = [[(0, 1), (2, 0)], [], [(3, 3)]]
    assert read_links(write(tmp_path / "a", ["0-1 2-0", "", "3-3"]), base=0, reverse=False) == links
    packed = tmp_path / "b.gz"
    packed.write_bytes(gzip.compress(b"2-1 1-3\n\n4-4\n"))
    assert read_links(str(packed), base=1, reverse=True) == links


def test_gold_links_are_sure_or_possible(tmp_path):
    gold = read_gold(write(tmp_path / "gold", ["1-1 2p1", "", "1?2"]), base=1)
    assert gold == [
        GoldLinks(frozenset({(0, 0)}), frozenset({(0, 0), (1, 0)})),
        GoldLinks(frozenset(), frozenset()),
        GoldLinks(frozenset(), frozenset({(0, 1)})),
    ]
    with pytest.raises(DataError, match="empty is empty; wanted one line or more"):
        read_gold(write(tmp_path / "empty", []), base=0)


@pytest.mark.parametrize("read", [lambda n: read_links(n, base=0, reverse=False),
                                  lambda n: read_gold(n, base=0)])  # fmt: skip
def test_a_mistake_names_file_and_line(tmp_path, read):
    with pytest.raises(DataError, match="x, line 2: wanted a link .* got '1:1'"):
        read(write(tmp_path / "x", ["0-0", "1:1"]))
    with pytest.raises(DataError, match="gone"):
        read(str(tmp_path / "gone"))


def test_standard_input_is_called_so():
    assert place_in("-", 3) == "standard input, line 3" and place_in("a", 1) == "a, line 1"
    check_as_many("-", 2, "gold", 2)
    with pytest.raises(DataError, match="^standard input has 1 line and gold has 2 lines; line i"):
        check_as_many("-", 1, "gold", 2)
