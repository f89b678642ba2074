"""The cache of self-attention against one written in a loop."""

import numpy as np
import pytest

from nmt.models.key_value_cache import Cache

B, N, K, D = 2, 3, 4, 5  # sentences, heads, hypotheses, numbers of a key
LENGTH = 6


@pytest.fixture
def written():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, LENGTH, B, N, K, D)).astype(np.float32)  # keys, values


def filled(written, *, rooms):
    """A cache that grows to the next room when it is full."""
    cache = None
    for position, (keys, values) in enumerate(zip(*written, strict=True)):
        if position == 0:
            cache = Cache.empty(keys, K, rooms[0])
        elif position in rooms:
            cache = cache.with_room(K * rooms[rooms.index(position) + 1])
        cache = cache.with_position(keys, values, np.int32(position))
    return cache


@pytest.mark.parametrize("rooms", [(LENGTH,), (2, 3, LENGTH), (1, LENGTH)])
def test_every_slot_is_what_its_hypothesis_wrote(written, rooms):
    cache = filled(written, rooms=rooms)
    for slots, of_positions in zip(cache.slots(), written, strict=True):
        assert slots.shape == (B, N, LENGTH * K, D)
        for position in range(LENGTH):
            for hypothesis in range(K):
                np.testing.assert_array_equal(
                    slots[:, :, position * K + hypothesis], of_positions[position][:, :, hypothesis]
                )


def test_what_is_not_written_is_zero(written):
    cache = filled(written[:, :2], rooms=(LENGTH,))
    for slots in cache.slots():
        assert not np.any(slots[:, :, 2 * K :])
