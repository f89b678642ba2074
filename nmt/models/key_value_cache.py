"""What self-attention remembers of the target positions so far, in search.

All hypotheses of a sentence share one cache, in which each reads what its ancestors wrote. So
nothing is moved when hypotheses part or end.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array


class Cache(NamedTuple):
    """Keys and values of one layer, by the hypothesis that wrote them.

    Slot l * K + k is for what hypothesis k wrote at position l: so a position is contiguous in both
    arrays, and both have the layout in which they are multiplied.

    Attributes:
      keys: (B, N, d, L*K).
      values: (B, N, L*K, d).
    """

    keys: Array
    values: Array

    @classmethod
    def empty(cls, like: Array, num_hypotheses: int, max_length: int) -> "Cache":
        """Room for `max_length` positions of K hypotheses; `like` has the axes (B, N, ..., d)."""
        batch, heads, *_, dim = like.shape
        slots = max_length * num_hypotheses
        return cls(
            jnp.zeros((batch, heads, dim, slots), like.dtype),
            jnp.zeros((batch, heads, slots, dim), like.dtype),
        )

    def with_position(self, keys: Array, values: Array, position: Array) -> "Cache":
        """Writes position () of each hypothesis; keys and values (B, N, K, d)."""
        start = position * keys.shape[2]
        write = jax.lax.dynamic_update_slice_in_dim
        return Cache(
            write(self.keys, keys.swapaxes(2, 3), start, axis=3),
            write(self.values, values, start, axis=2),
        )

    def with_room(self, num_slots: int) -> "Cache":
        """Makes room for L*K = `num_slots`."""
        missing = [(0, num_slots - self.values.shape[2])]
        whole = [(0, 0)]
        return Cache(
            jnp.pad(self.keys, whole * 3 + missing),
            jnp.pad(self.values, whole * 2 + missing + whole),
        )

    def slots(self) -> tuple[Array, Array]:
        """Keys and values as attention takes them, (B, N, L*K, d) each."""
        return self.keys.swapaxes(2, 3), self.values
