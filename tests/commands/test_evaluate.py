"""Which sentences get a picture of their alignment."""

import pytest

from nmt.commands.evaluate import varied_in_length


@pytest.mark.parametrize("number", [1, 2, 4, 9, 30])
def test_pictures_are_of_sentences_of_many_lengths(number):
    lengths = [30, 0, 2, 6, 6, 7, 8, 8, 12, 12, 15, 20, 21, 6]
    chosen = varied_in_length([" ".join(["w"] * length) for length in lengths], number)
    usable = [length for length in lengths if 6 <= length <= 20]
    assert len(set(chosen)) == len(chosen) == min(number, len(usable))
    assert chosen == sorted(chosen) and {lengths[i] for i in chosen} <= set(usable)
    counts = [[lengths[i] for i in chosen].count(length) for length in set(usable)]
    assert max(counts) == 1 or min(counts) >= 1  # none twice before all were there once
    if number > 1:
        assert {6, 20} <= {lengths[i] for i in chosen}


def test_pictures_fall_back_to_other_lengths():
    assert varied_in_length(["", "one", "one two", "one"], 2) == [1, 2]
    assert varied_in_length(["", " "], 2) == []
