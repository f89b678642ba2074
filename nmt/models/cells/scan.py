"""A cell run over sentences: between the layers of a stack, or both ways at once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models.cells.contract import Cell, State, all_gates, by_gate
from nmt.models.rematerialization import keeping_products

Array = jax.Array


class Seen(NamedTuple):
    """What a layer lets the one above it see, of one position or of all.

    Attributes:
      output: (..., H).
      state: leaves (..., H); None unless the layer above reads it, so that a scan keeps no more of
        each position than somebody asks for.
    """

    output: Array
    state: State | None


def seen(cell: Cell, state: State, above: Cell | None) -> Seen:
    """What the cell above, or the readout where there is none, sees of a state."""
    return Seen(cell.output(state), state if above is not None and above.reads_below else None)


def where_real(real: Array, moved: State, state: State) -> State:
    """The moved state where `real` (...), else the state as it was; leaves (..., H)."""
    return jax.tree.map(lambda new, old: jnp.where(real[..., None], new, old), moved, state)


def run_in_stack(
    cell: Cell,
    inputs: Array,
    mask: Array,
    initial: State | None = None,
    *,
    below: State | None = None,
    above: Cell | None = None,
    unroll: int = 1,
) -> tuple[Seen, Array]:
    """Runs a cell of one layer, perhaps among others; padding leaves the state as it was.

    Args:
      cell: the cell.
      inputs: (B, T, E).
      mask: (B, T), True on real positions.
      initial: the state to start from, zeros if None.
      below: the state of the layer under it at each position, leaves (B, T, ...), for a cell that
        reads it.
      above: the cell of the layer above it, if any.
      unroll: positions to an iteration, as in `scan_positions`.
    Returns:
      seen: what `above` sees of every position, leaves (B, T, ...).
      final: the output after the last position, (B, H).
    """

    def step(state, now):
        return _advance(cell, state, now, above)

    start = cell.initial_state(inputs.shape[:1]) if initial is None else initial
    positions = _time_major(cell, inputs, mask, below)
    final, of_positions = scan_positions(step, start, positions, unroll=unroll)
    return jax.tree.map(_turned, of_positions), cell.output(final)


def run_both_ways(
    cells: tuple[Cell, Cell],
    inputs: Array,
    mask: Array,
    *,
    below: tuple[State | None, State | None] = (None, None),
    above: Cell | None = None,
    unroll: int = 1,
) -> list[tuple[Seen, Array]]:
    """Runs two cells of one kind at once, the first forwards, the second backwards.

    Each is as `run_in_stack` would run it, the second over positions in reverse. An accelerator
    starts a small program for each operation of a step, which takes it longer than the arithmetic:
    here it starts one for both directions.

    Args:
      cells: forwards and backwards.
      inputs, mask, above, unroll: as in `run_in_stack`; the one above may be of either direction.
      below: of each direction.
    Returns:
      seen, that of position t at t in both directions, and final, of each direction.
    """
    forwards, backwards = (
        _time_major(cell, inputs, mask, under) for cell, under in zip(cells, below, strict=True)
    )
    positions = _side_by_side(1, forwards, jax.tree.map(_reversed, backwards))  # T 2 B ...
    graph = nnx.graphdef(cells[0])
    params = _side_by_side(0, *map(nnx.state, cells))
    start = _side_by_side(0, *(cell.initial_state(inputs.shape[:1]) for cell in cells))

    @jax.vmap
    def of_direction(params, state, now):
        return _advance(nnx.merge(graph, params), state, now, above)

    finals, of_positions = scan_positions(
        lambda states, now: of_direction(params, states, now), start, positions, unroll=unroll
    )
    forwards, backwards = (jax.tree.map(lambda leaf, k=k: leaf[:, k], of_positions) for k in (0, 1))
    of_directions = forwards, jax.tree.map(_reversed, backwards)
    return [
        (jax.tree.map(_turned, seen), cell.output(jax.tree.map(lambda leaf, k=k: leaf[k], finals)))
        for k, (cell, seen) in enumerate(zip(cells, of_directions, strict=True))
    ]


def scan_positions(
    step: Callable[[State, Any], tuple[State, Any]],
    start: State,
    positions: Any,
    *,
    unroll: int = 1,
) -> tuple[State, Any]:
    """`jax.lax.scan` over positions, which keeps of each no more than its matrix products.

    Args:
      step: of one position.
      start: the state before the first one.
      positions: leaves (T, ...).
      unroll: positions to an iteration: more of them start fewer small programs and compile longer.
    """
    step = keeping_products(step)
    return jax.lax.scan(step, start, positions, unroll=unroll)


def _advance(cell: Cell, state: State, now: Any, above: Cell | None) -> tuple[State, Seen]:
    """One position of a layer: `now` is an element of `_time_major`."""
    of_gates, real, under = now  # each (B, H), (B,), leaves (B, ...)
    state = where_real(real, cell.step(state, all_gates(of_gates), under), state)
    return state, seen(cell, state, above)


def _time_major(cell: Cell, inputs: Array, mask: Array, below: State | None) -> Any:
    """What a layer reads of each position, leaves (T, B, ...): its input gate by gate."""
    return jax.tree.map(_turned, (by_gate(cell.project(inputs)), mask, below))


def _side_by_side(axis: int, *trees: Any) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves, axis), *trees)


def _reversed(leaf: Array) -> Array:
    """(T, ...), the last first."""
    return leaf[::-1]


def _turned(leaf: Array) -> Array:
    """(B, T, ...) -> (T, B, ...), and back."""
    return leaf.swapaxes(0, 1)
