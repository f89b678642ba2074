"""Batches for decoding: every sequence once, in few shapes."""

import itertools

import numpy as np
import pytest

from nmt.decoding.lattice import FEW, group_by_length, pad, round_up


def test_lengths_are_rounded_up_by_at_most_a_half():
    lengths = np.arange(1, 2000)
    rounded = np.array([round_up(int(n)) for n in lengths])
    assert (rounded >= lengths).all() and (np.diff(rounded) >= 0).all()
    assert (rounded[16:] <= 1.5 * lengths[16:]).all()
    assert len(set(rounded)) == 16


@pytest.mark.parametrize("num_sequences", [0, 1, 2, 5, 64, 65, 300])
@pytest.mark.parametrize(("sides", "num_devices"), [(1, 1), (2, 1), (1, 3), (2, 8)])
def test_every_sequence_is_in_one_group_and_shapes_are_few(num_sequences, sides, num_devices):
    rng = np.random.default_rng(num_sequences)
    lengths = [tuple(map(int, rng.integers(1, 60, sides))) for _ in range(num_sequences)]
    groups = group_by_length(lengths, 64, num_devices)
    assert sorted(i for group in groups for i in group.indices) == list(range(num_sequences))
    assert len({group.rows for group in groups}) <= 1
    for group in groups:
        for side, length in enumerate(group.lengths):
            assert length == round_up(max(lengths[i][side] for i in group.indices))
        assert 0 < len(group.indices) <= group.rows <= 64 * num_devices
        assert group.rows % num_devices == 0
    filler = sum(group.rows for group in groups) - num_sequences
    assert filler < max(3 * num_sequences + num_devices, 64 * num_devices)
    assert all(len(group.indices) == group.rows for group in groups[1:])


def test_sequences_of_like_length_go_together():
    lengths = [(int(n),) for n in np.random.default_rng(0).permutation(np.arange(1, 257))]
    for group in group_by_length(lengths, 64, 1):
        of_group = [lengths[i][0] for i in group.indices]
        assert max(of_group) - min(of_group) == 63


@pytest.mark.parametrize("most_sharing", [2, 4])
def test_batches_share_shapes_that_are_not_much_too_large(most_sharing):
    num_pairs = 16 * FEW
    rng = np.random.default_rng(0)
    lengths = [*map(tuple, rng.integers(1, 25, (num_pairs - 1, 2)).tolist()), (1000, 900)]
    own = [group.lengths for group in group_by_length(lengths, 16, 1)]
    shared = [group.lengths for group in group_by_length(lengths, 16, 1, most_sharing=most_sharing)]
    for needed, shape in zip(own, shared, strict=True):
        for least, length in zip(needed, shape, strict=True):
            assert least <= length <= 2 * least
    for i, shape in enumerate(shared):  # what some batches in a row need, of which it is one
        firsts = itertools.product(range(i - most_sharing + 1, i + 1), range(1, most_sharing + 1))
        rows = [own[max(a, 0) : a + size] for a, size in firsts if a + size > i]
        assert shape in [tuple(map(max, zip(*row, strict=True))) for row in rows]
    assert shared[-1] == own[-1] != shared[-2]  # nothing is padded for the one that is far longer
    assert len(set(shared)) < len(set(own))
    lengths.append((3, 3))  # one batch more: each has its own
    assert group_by_length(lengths, 16, 1, most_sharing=most_sharing) == group_by_length(
        lengths, 16, 1
    )


def test_rows_never_exceed_what_is_asked():
    assert {group.rows for group in group_by_length([(3,)] * 10, 6, 1)} == {6}
    assert {group.rows for group in group_by_length([(3,)] * 10, 1, 1)} == {1}
    assert {group.rows for group in group_by_length([(3,)] * 30, 6, 4)} == {24}


def test_one_sequence_is_one_row_on_each_device():
    assert [group_by_length([(3,)], 64, n) for n in (1, 2, 8)] == [
        [([0], 1, (8,))],
        [([0], 2, (8,))],
        [([0], 8, (8,))],
    ]


def test_pad_stacks_rows_and_fills():
    ids, mask = pad([np.array([7, 3]), np.array([4, 5, 3])], 3, 4, [3], 0)
    np.testing.assert_array_equal(ids, [[7, 3, 0, 0], [4, 5, 3, 0], [3, 0, 0, 0]])
    np.testing.assert_array_equal(mask, ids > 0)
