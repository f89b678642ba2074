"""A cell run over sentences, alone or between the layers of a stack."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from nmt.models.cells.contract import Cell, State, by_gate

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


def run(
    cell: Cell, inputs: Array, mask: Array, initial: State | None = None, *, reverse: bool = False
) -> tuple[Array, Array]:
    """Runs a cell over sentences; padding leaves the state as it was.

    Args:
      cell: the cell; one that reads no state below it.
      inputs: (B, T, E).
      mask: (B, T), True on real positions.
      initial: the state to start from, zeros if None.
      reverse: from the last position to the first.
    Returns:
      outputs: (B, T, H), that of position t at t, also in reverse.
      final: the output after the position visited last, (B, H).
    """
    of_positions, final = run_in_stack(cell, inputs, mask, initial, reverse=reverse)
    return of_positions.output, final


def run_in_stack(
    cell: Cell,
    inputs: Array,
    mask: Array,
    initial: State | None = None,
    *,
    below: State | None = None,
    above: Cell | None = None,
    reverse: bool = False,
) -> tuple[Seen, Array]:
    """Runs a cell of one layer among others.

    Args:
      cell, inputs, mask, initial, reverse: as in `run`.
      below: the state of the layer under it at each position, leaves (B, T, ...), for a cell that
        reads it. In reverse it is that of a layer that was run in reverse too.
      above: the cell of the layer above it, if any.
    Returns:
      seen: what `above` sees of every position, leaves (B, T, ...).
      final: the output after the position visited last, (B, H).
    """

    def step(state, now):
        of_gates, real, under = now  # each (B, H), (B,), leaves (B, ...)
        projected = jnp.stack(of_gates, axis=-2)
        state = where_real(real, cell.step(state, projected, under), state)
        return state, seen(cell, state, above)

    start = cell.initial_state(inputs.shape[:1]) if initial is None else initial
    # Gate by gate: with one array of all gates LLVM does not vectorise a step: six times slower.
    time_major = jax.tree.map(_turned, (by_gate(cell.project(inputs)), mask, below))
    final, of_positions = jax.lax.scan(step, start, time_major, reverse=reverse)
    return jax.tree.map(_turned, of_positions), cell.output(final)


def _turned(leaf: Array) -> Array:
    """(B, T, ...) -> (T, B, ...), and back."""
    return leaf.swapaxes(0, 1)
