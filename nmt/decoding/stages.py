"""Sentences leave a batch when they are done, so that a long one does not hold the others.

A loop's arrays have one size, so a loop runs until half of its sentences are done; those that are
not go on in another one of half the size. Each size is compiled; the least is bounded, as a few
rows cost no less than some.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array
SMALLEST = 16  # sentences of a stage: fewer cost no less


def run_in_stages(
    step: Callable[[Any, Any], Any],
    is_live: Callable[[Any], Array],
    results: Callable[[Any], Any],
    batch: Any,
    state: Any,
    *,
    smallest: int = SMALLEST,
) -> Any:
    """Repeats step(batch, state) -> state until no sentence is live.

    Args:
      step: works on each sentence by itself, whatever the number of sentences.
      is_live: state -> (B,), True for a sentence that needs more steps; once False it stays so.
      results: state -> what is wanted of it, a pytree with leaves (B, ...), which steps leave as it
        is where the sentence is not live.
      batch: what does not change, a pytree with leaves (B, ...).
      state: the first state, a pytree with leaves (B, ...), or () for what sentences share.
      smallest: of `stage_sizes`.
    Returns:
      the results of the last states, in the order of the batch.
    """
    num_sentences = len(is_live(state))
    places = jnp.arange(num_sentences)  # of the sentences that are left in the batch
    collected = results(state)
    for following in [*stage_sizes(num_sentences, smallest)[1:], 0]:

        def is_full(state: Any, following: int = following) -> Array:
            return is_live(state).sum() > following

        state = jax.lax.while_loop(is_full, partial(step, batch), state)
        collected = with_sentences(collected, places, results(state))
        if following:
            left = jnp.argsort(~is_live(state))[:following]
            places, batch, state = of_sentences((places, batch, state), left)
    return collected


def of_sentences(tree: Any, places: Array) -> Any:
    """Leaves (B, ...) -> (R, ...) of the sentences at `places` (R,); () is theirs as well."""
    return jax.tree.map(lambda leaf: leaf[places] if leaf.ndim else leaf, tree)


def with_sentences(tree: Any, places: Array, new: Any) -> Any:
    """Puts leaves (R, ...) where the sentences at `places` (R,) are in leaves (B, ...)."""
    return jax.tree.map(lambda leaf, of_some: leaf.at[places].set(of_some), tree, new)


def stage_sizes(num_sentences: int, smallest: int = SMALLEST) -> list[int]:
    """How many sentences each stage has, such as [64, 32, 16]; `smallest` or more, or all."""
    sizes = [num_sentences]
    while sizes[-1] >= 2 * smallest:
        sizes.append(sizes[-1] // 2)
    return sizes
