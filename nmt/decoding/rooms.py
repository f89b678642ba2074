"""Decoding with no more room than the translations need so far.

A step of a model that attends to its own past costs by the room that there is for it: a CPU waits
for the bytes. Most translations are far from the greatest length. So a batch begins with room for a
quarter of it, and goes on with room for half; what is not done then gets all of it, half of the
sentences at a time, which nearly always is once.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from nmt.decoding.stages import of_sentences, run_in_stages, stage_sizes, with_sentences
from nmt.models.seq2seq import DecoderState

Array = jax.Array


class Decoding(Protocol):
    """The state of a search: a dataclass with these fields among others.

    Attributes:
      position: (), the target position to be filled.
      decoder: of the model; at first it needs no room.
    """

    position: Array
    decoder: DecoderState


def rooms(num_sentences: int, max_length: int) -> list[int]:
    """For how many positions there is room in turn, such as [11, 21, 42].

    Few sentences have all at once: their steps cost little, and every room is compiled.
    """
    if len(stage_sizes(num_sentences)) == 1:
        return [max_length]
    return sorted({-(-max_length // parts) for parts in (4, 2, 1)})


def run_in_rooms(
    step: Callable[[Any, Any], Any],
    is_live: Callable[[Any], Array],
    results: Callable[[Any], Any],
    batch: Any,
    state: Decoding,
    max_length: int,
) -> Any:
    """`run_in_stages` of a state whose decoder grows on the way.

    Args:
      step, is_live, results, batch: of `nmt.decoding.stages.run_in_stages`; a step fills one
        position.
      state: the first state.
      max_length: positions that there may be.
    Returns:
      the results of the last states, in the order of the batch.
    """
    num_sentences = len(is_live(state))

    def with_room(state: Decoding, length: int) -> Decoding:
        return replace(state, decoder=state.decoder.grow(length))

    def finish(batch: Any, state: Decoding) -> Any:
        return run_in_stages(step, is_live, results, batch, with_room(state, max_length))

    *narrow, _ = rooms(num_sentences, max_length)
    is_fixed = state.decoder.grow(max_length) is state.decoder
    if not narrow or is_fixed:
        return finish(batch, state)
    for room in narrow:

        def has_room(state: Decoding, room: int = room) -> Array:
            return (is_live(state).sum() > num_sentences // 2) & (state.position < room)

        state = jax.lax.while_loop(has_room, partial(step, batch), with_room(state, room))
    half = -(-num_sentences // 2)
    return run_some_at_a_time(finish, is_live, results, batch, state, size=half)


def run_some_at_a_time(
    run: Callable[[Any, Any], Any],
    is_live: Callable[[Any], Array],
    results: Callable[[Any], Any],
    batch: Any,
    state: Any,
    *,
    size: int,
) -> Any:
    """Runs (batch, state) -> results on `size` sentences at a time, as often as some are live.

    Args:
      is_live, results, batch, state: of `nmt.decoding.stages.run_in_stages`.
      size: of the sentences in the batch at most.
    Returns:
      the results of all sentences, in the order of the batch.
    """
    is_left = is_live(state)
    order = jnp.argsort(~is_left)

    def run_some(number: Array, collected: Any) -> Any:
        # Some of the last ones may be taken twice, with the same result.
        places = jax.lax.dynamic_slice_in_dim(order, number * size, size)
        found = run(*of_sentences((batch, state), places))
        return with_sentences(collected, places, found)

    times = -(-is_left.sum() // size)
    return jax.lax.fori_loop(0, times, run_some, results(state))
