"""Decoding with no more room, and no more sentences, than the translations need so far.

A step of a model that attends to its own past costs by the room that there is for it: a CPU waits
for the bytes. Most translations are far from the greatest length. So a batch begins with room for a
quarter of it, and goes on with room for half, in which sentences leave as they are done. The few
that are not done then get all of it. A batch too small to be halved has all of it at once, as one
loop compiles sooner.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from nmt.decoding.stages import (
    SMALLEST,
    of_sentences,
    run_in_stages,
    stage_sizes,
    with_sentences,
)
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


class Room(NamedTuple):
    """What a loop has room for; each is compiled.

    Attributes:
      sentences: how many of them run in it.
      length: the positions that each has.
    """

    sentences: int
    length: int


def rooms(num_sentences: int, max_length: int, smallest: int = SMALLEST) -> list[Room]:
    """In turn, such as (64, 11), (64, 21), (32, 21), (16, 21), (16, 42); see `stage_sizes`."""
    sizes = stage_sizes(num_sentences, smallest)
    if len(sizes) == 1:
        return [Room(num_sentences, max_length)]
    quarter, half = (-(-max_length // parts) for parts in (4, 2))
    found = [
        Room(num_sentences, quarter),
        *(Room(size, half) for size in sizes),
        Room(sizes[-1], max_length),
    ]
    return list(dict.fromkeys(found))  # of a short search some are the same


def run_in_rooms(
    step: Callable[[Any, Any], Any],
    is_live: Callable[[Any], Array],
    results: Callable[[Any], Any],
    batch: Any,
    state: Decoding,
    max_length: int,
    *,
    smallest: int = SMALLEST,
) -> Any:
    """`run_in_stages` of a state whose decoder grows on the way.

    Args:
      step, is_live, results, batch: of `nmt.decoding.stages.run_in_stages`; a step fills one
        position.
      state: the first state.
      max_length: positions that there may be.
      smallest: of `nmt.decoding.stages.stage_sizes`.
    Returns:
      the results of the last states, in the order of the batch.
    """

    def run(ahead: Sequence[Room], batch: Any, state: Any) -> Any:
        (size, length), *later = ahead
        fewest = next((room.sentences for room in later if room.sentences < size), 0)

        def goes_on(state: Any) -> Array:
            return (is_live(state).sum() > fewest) & (state.position < length)

        state = replace(state, decoder=state.decoder.grow(length))
        state = jax.lax.while_loop(goes_on, partial(step, batch), state)
        if not later:
            return results(state)
        following = later[0].sentences
        if fewest and following == size:  # most of them may go on, so that none is moved
            return run(later, batch, state)
        finish = partial(run, later)
        return run_some_at_a_time(finish, is_live, results, batch, state, size=following)

    if state.decoder.grow(max_length) is state.decoder:  # all steps cost the same
        return run_in_stages(step, is_live, results, batch, state, smallest=smallest)
    return run(rooms(len(is_live(state)), max_length, smallest), batch, state)


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
      is_live, results, batch, state: of `run_in_rooms`.
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
