"""Work for live hypotheses alone: most places of a beam are empty for most of a search.

At beam 5 two places of five are live, on average over the search of a sentence.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from nmt.models.seq2seq import DecoderState, Seq2Seq

Array = jax.Array
PARTS = 4  # live rows are packed into one, two, three or four quarters of all rows
FEWEST = 32  # but into no fewer than these


def step_live(
    model: Seq2Seq,
    state: DecoderState,
    memory: Any,
    pieces: Array,
    position: Array,
    *,
    is_live: Array,
    then: Callable[[Array, Array], Any],
) -> tuple[DecoderState, Any]:
    """Steps hypotheses, and does something with the features of those that are live.

    Hypotheses whose state is in rows of their own are stepped where they are live alone, each as
    the only one of a sentence, or all together while most are live. Those that share their state,
    as a Transformer's keys and values, are all stepped; a lone hypothesis is live nearly as long
    as its sentence.

    Args:
      model: any model of the contract.
      state: leaves (B, K, ...), or as its class says.
      memory: of the sentences.
      pieces: (B, K), to be read.
      position: (), of all of them.
      is_live: (B, K); what the results hold for other hypotheses means nothing.
      then: features (R, E) and sentences (R,), by number -> a pytree of arrays (R, ...).
    Returns:
      the state, and what `then` made, with leaves (B, K, ...).
    """
    num_sentences, num_hypotheses = is_live.shape
    sentences = jnp.repeat(jnp.arange(num_sentences), num_hypotheses)

    def rows(leaf: Array) -> Array:
        return leaf.reshape(is_live.size, *leaf.shape[2:])

    def places(leaf: Array) -> Array:
        return leaf.reshape(*is_live.shape, *leaf.shape[1:])

    def step_all() -> tuple[DecoderState, Array]:
        stepped, features, _ = model.step(state, memory, pieces, position)
        return stepped, rows(features)

    if num_hypotheses == 1 or not state.is_by_hypothesis:
        stepped, features = step_all()
        made = for_live(then, rows(is_live), features, sentences)
        return stepped, jax.tree.map(places, made)

    def alone(state: DecoderState, piece: Array, sentence: Array) -> tuple[DecoderState, Any]:
        own = jax.tree.map(lambda leaf: jnp.asarray(leaf)[sentence], memory)
        state = jax.tree.map(lambda leaf: leaf[:, None], state)
        state, features, _ = model.step(state, own, piece[:, None], position)
        return jax.tree.map(lambda leaf: leaf[:, 0], state), then(features[:, 0], sentence)

    def together(*_: Any) -> tuple[DecoderState, Any]:
        stepped, features = step_all()
        return jax.tree.map(rows, stepped), then(features, sentences)

    of_all = jax.tree.map(rows, (state, pieces))
    found = for_live(alone, rows(is_live), *of_all, sentences, on_all=together)
    return jax.tree.map(places, found)


def for_live(
    program: Callable[..., Any],
    is_live: Array,
    *rows: Any,
    on_all: Callable[..., Any] | None = None,
) -> Any:
    """Runs a program on live rows alone, packed into the smallest of a few numbers of rows.

    Args:
      program: of pytrees of arrays (R', ...) to another one, row by row.
      is_live: (R,); what the result holds for other rows means nothing.
      rows: pytrees of arrays (R, ...).
      on_all: does the same to all rows, where more than the last but one of those numbers are live;
        the program itself when None.
    Returns:
      program(*rows), a pytree of arrays (R, ...).
    """
    num_rows = len(is_live)
    sizes = sorted({max(min(FEWEST, num_rows), num_rows * i // PARTS) for i in range(1, PARTS + 1)})
    order = jnp.argsort(~is_live)  # live ones first; in their order, as jax sorts stably

    def packed(size: int) -> Callable[..., Any]:
        def run(*rows: Any) -> Any:
            found = program(*jax.tree.map(lambda leaf: leaf[order[:size]], rows))
            return jax.tree.map(
                lambda leaf: (
                    jnp.zeros((num_rows, *leaf.shape[1:]), leaf.dtype).at[order[:size]].set(leaf)
                ),
                found,
            )

        return run

    smallest = (jnp.array(sizes) < is_live.sum()).sum()  # by number, the first that has room
    branches = [*(packed(size) for size in sizes[:-1]), on_all or program]
    return jax.lax.switch(smallest, branches, *rows)
