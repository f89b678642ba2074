"""Pairs of two files, in parts that memory can hold."""

import pytest

from nmt.commands import pairs
from nmt.commands.pairs import ALONE, MOST_PIECES, emptied, parts_of, too_long
from nmt.data.splits import Split
from nmt.data.vocabulary import Vocabularies


class Characters:
    """A vocabulary whose pieces are characters."""

    def encode(self, text):
        return [*text]


@pytest.mark.parametrize("lengths", [[], [1], [9999], [1, 2, 3, 4, 5], [1, 9999, 1, 1, 1, 9999]])
def test_parts_are_all_pairs_in_order(monkeypatch, lengths):
    monkeypatch.setattr(pairs, "CHUNK", 2)
    source = [f"{i:<{length}}" for i, length in enumerate(lengths)]
    target = [str(-i) for i in range(len(lengths))]
    parts = [*parts_of(Split("x", source, target))]
    assert [line for part in parts for line in part.source] == source
    assert [line for part in parts for line in part.target] == target
    start = 0
    for part in parts:
        assert part.start == start and 1 <= len(part.source) == len(part.target) <= 2
        assert len(part.source) == 1 or max(map(len, part.source)) <= ALONE
        start += len(part.source)


def test_too_long_pairs_are_found_on_either_side(caplog):
    long, longest = "x" * MOST_PIECES, "x" * (MOST_PIECES + 1)
    split = Split("x", ["a", longest, long, "b"], [long, "a", "b", longest * 2])
    found = too_long(split, Vocabularies(Characters(), Characters()))
    assert found == {1: MOST_PIECES + 1, 3: 2 * MOST_PIECES + 2}
    left = emptied(split, sorted(found))
    assert list(left.source) == ["a", "", long, ""] and list(left.target) == [long, "", "b", ""]
    (message,) = caplog.messages
    assert "2 of 4, the first in line 2" in message
    assert emptied(split, []) is split
