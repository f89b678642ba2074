import random

import numpy as np
import pytest

from nmt.data.hash_table import HashTable


def as_hashes(numbers):
    return np.array(numbers, np.uint64)


@pytest.mark.parametrize("part", [1, 10, 3000])
@pytest.mark.parametrize("bits", [4, 10, 64])
def test_it_knows_what_a_set_knows(part, bits):
    rng = random.Random(0)
    numbers = [rng.getrandbits(bits) or 1 for _ in range(3000)]
    seen, expected = set(), []
    for number in numbers:
        expected.append(number not in seen)
        seen.add(number)
    table = HashTable(8)
    parts = [numbers[start : start + part] for start in range(0, 3000, part)]
    assert [is_new for p in parts for is_new in table.add(as_hashes(p)).tolist()] == expected
    assert len(table) == len(seen)


def test_hashes_that_want_one_place_all_find_their_own():
    numbers = [i << 20 for i in range(1, 500)]  # their low bits are the same
    table = HashTable(8)
    assert table.add(as_hashes(numbers)).all()
    assert not table.add(as_hashes(numbers)).any()
    assert table.add(as_hashes([500 << 20])).tolist() == [True]


def test_zero_is_taken_for_one():
    table = HashTable()
    assert table.add(as_hashes([0, 5, 1, 0])).tolist() == [True, True, False, False]
    assert len(table) == 2 and table.add(as_hashes([])).tolist() == []
