"""A pass over the real positions of a batch, a chunk at a time; padding is never computed.

Real positions are drawn together first. How many there are only the batch can tell, so that the
loops over chunks end where they do, not where the shape of the batch would have them end.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array


class Positions(NamedTuple):
    """Target positions of a batch, of all sentences, one after the other.

    Attributes:
      features: (P, E).
      target: the piece to predict, (P,).
      mask: True where there is one, (P,).
    """

    features: Array
    target: Array
    mask: Array


def scan_real(
    add: Callable[[Any, Positions], tuple[Any, Any]],
    sums: Any,
    made: Any,
    positions: Positions,
    chunk_size: int,
) -> tuple[Any, Any]:
    """`jax.lax.scan` over chunks of the real positions.

    The chunks have `chunk_size` positions while these last, and what remains is done by quarters of
    that. Smaller ones would waste less on padding, but each chunk may cost a pass over what it adds
    to: the loss adds to the gradient of a whole vocabulary.

    Args:
      add: sums, a chunk (C, ...) -> sums, what it makes (C, ...). Masked positions, with which the
        last chunk may end, must add nothing.
      sums: to start from.
      made: zeros (P, ...), in the form of what `add` makes; or None.
      positions: all of them.
      chunk_size: the greatest C, if there are so many positions.
    Returns:
      The sums, and what was made of each position, in its place; zero for padding.
    """
    chunk_size = min(chunk_size, len(positions.mask))
    quarter = -(-chunk_size // 4)
    room = quarter - 1  # for the last chunk, which may reach past the end
    drawn = _drawn_together(positions, room)
    made = jax.tree.map(lambda leaf: jnp.pad(leaf, [(0, room)] + [(0, 0)] * (leaf.ndim - 1)), made)

    def run(carried, start, size, count):
        def step(index, carried):
            sums, made = carried
            first = start + index * size
            chunk = [jax.lax.dynamic_slice_in_dim(leaf, first, size) for leaf in drawn]
            sums, part = add(sums, Positions(*chunk))
            write = partial(jax.lax.dynamic_update_slice_in_dim, start_index=first, axis=0)
            return sums, jax.tree.map(write, made, part)

        return jax.lax.fori_loop(0, count, step, carried)

    num_real = _greatest(positions.mask.sum())
    num_whole, rest = jnp.divmod(num_real, chunk_size)
    carried = run((sums, made), 0, chunk_size, num_whole)
    sums, made = run(carried, num_real - rest, quarter, -(-rest // quarter))
    return sums, jax.tree.map(partial(_put_back, mask=positions.mask), made)


def _drawn_together(positions: Positions, room: int) -> Positions:
    """The real ones in front, in their order; `room` masked ones more than there were, behind."""
    order = jnp.pad(jnp.argsort(~positions.mask, stable=True), (0, room))
    mask = jnp.arange(len(order)) < positions.mask.sum()
    return Positions(_rows(positions.features, order), _rows(positions.target, order), mask)


def _put_back(made: Array, mask: Array) -> Array:
    """Rows of the real positions, in front (P + room, ...) -> in their places (P, ...)."""
    in_place = _rows(made, jnp.cumsum(mask) - 1)
    return jnp.where(jnp.expand_dims(mask, range(1, made.ndim)), in_place, 0)


_rows = partial(jnp.take, axis=0, mode="clip")  # all indices are right, so none need be checked


@jax.custom_batching.custom_vmap
def _greatest(number: Array) -> Array:
    """A number; where several models are trained at once the greatest of theirs.

    Then their loops end together. Mapped over loops that end one by one, XLA would choose between
    old and new values of all that they carry, at every chunk.
    """
    return number


@_greatest.def_vmap
def _greatest_of_all(axis_size, is_batched, number):
    del axis_size
    return (number.max() if is_batched[0] else number), False
