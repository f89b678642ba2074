"""A set of 64-bit hashes in one array: what is left to remember of a pair to know it again.

A Python set of the same numbers takes about 70 bytes for each; the array takes 12 to 24.
"""

import numpy as np

_EMPTY = 0  # marks a free slot; the hash 0 is kept as 1
_BLOCK = 1 << 20  # hashes that move at once when the array grows


class HashTable:
    """Open addressing with linear probing, many hashes at a time."""

    def __init__(self, capacity: int = 1 << 16):
        """Begins with room for about `capacity` hashes, a power of two; it grows as needed."""
        assert capacity & (capacity - 1) == 0
        self._slots, self._count = np.zeros(capacity, np.uint64), 0

    def __len__(self) -> int:
        return self._count

    def add(self, hashes: np.ndarray) -> np.ndarray:
        """Adds hashes; says of each whether it was not there, nor earlier in the same array.

        Args:
          hashes: (N,) uint64, evenly distributed: their low bits are the place in the table.
        Returns:
          (N,) bool.
        """
        values, first = np.unique(np.maximum(hashes, np.uint64(1)), return_index=True)
        self._make_room(len(values))
        added = np.zeros(len(hashes), bool)
        added[first] = self._insert(values)
        self._count += int(added.sum())
        return added

    def _insert(self, values: np.ndarray) -> np.ndarray:
        """Puts different values into their places; True where one was not there yet."""
        mask = np.uint64(len(self._slots) - 1)
        places = values & mask
        added = np.zeros(len(values), bool)
        waiting = np.arange(len(values))
        while len(waiting):
            wanted, here = values[waiting], places[waiting]
            found = self._slots[here]
            free = found == _EMPTY
            self._slots[here[free]] = wanted[free]  # of several for one slot, the last stays
            got = free & (self._slots[here] == wanted)
            added[waiting[got]] = True
            waiting = waiting[~(got | (found == wanted))]
            places[waiting] = (places[waiting] + np.uint64(1)) & mask
        return added

    def _make_room(self, coming: int) -> None:
        """Doubles the array until two thirds of it hold what is there and what may come."""
        size = len(self._slots)
        while 3 * (self._count + coming) > 2 * size:
            size *= 2
        if size == len(self._slots):
            return
        old, self._slots = self._slots, np.zeros(size, np.uint64)
        for start in range(0, len(old), _BLOCK):
            block = old[start : start + _BLOCK]
            self._insert(block[block != _EMPTY])
