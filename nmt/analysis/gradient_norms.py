"""How large the gradients of many losses are with regard to many earlier states, all at once.

Backpropagation through time is `jax.vjp` through the scan: the states are shifted by zeros, and the
gradient of a loss with regard to the shift of a state is that with regard to the state, along every
way from there to the loss. One forward pass serves all losses, and the backward passes, one for
each loss, are vectorised. There are as many of them as positions, so the work grows with the square
of the length, and nothing here loops over distances.

Numbers below 1e-38 are zero in float32: a gradient that fell further is exactly zero.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array
Shifts = list[Array]
AT_ONCE = 16  # backward passes that are made together; each holds a gradient of every state


def gradient_norms(losses_of: Callable[[Shifts], Array], shifts: Shifts) -> Array:
    """|| d loss_t / d shift_p || for every loss t and every place p.

    Args:
      losses_of: shifts -> losses (B, T), of sentences that know nothing of one another.
      shifts: the point where the gradient is taken, leaves (B, P, ...); zeros as a rule.
    Returns:
      (B, T, P): the Euclidean norm over all numbers of all leaves.
    """
    losses, pulled_back = jax.vjp(losses_of, shifts)
    positions = jnp.arange(losses.shape[1])

    def of_position(t):
        one = jnp.broadcast_to(positions == t, losses.shape).astype(losses.dtype)
        (gradients,) = pulled_back(one)
        flat = [leaf.reshape(*leaf.shape[:2], -1) for leaf in gradients]
        return _norm(jnp.concatenate(flat, axis=-1))  # B P

    return jax.lax.map(of_position, positions, batch_size=AT_ONCE).swapaxes(0, 1)


def state_gradient_norms(
    step: Callable[[Any, Any], tuple[Any, Array]], state: Any, inputs: Any
) -> Array:
    """|| d loss_t / d state_p || for the states of a recurrence.

    Args:
      step: (state, inputs of a position) -> the next state and the position's losses (B,).
      state: the one before the first position, a pytree with leaves (B, ...).
      inputs: a pytree with leaves (T, ...).
    Returns:
      (B, T, T): [b, t, p] is of loss t with regard to the state that position p begins with, all
      its leaves that are no integers; zero where p comes after t.
    """
    length = len(jax.tree.leaves(inputs)[0])

    def losses_of(shifts):
        def at_position(state, now):
            shift, inputs = now
            return step(shifted(state, shift), inputs)

        time_major = [leaf.swapaxes(0, 1) for leaf in shifts]
        return jax.lax.scan(at_position, state, (time_major, inputs))[1].T

    return gradient_norms(losses_of, no_shifts(state, length))


def no_shifts(state: Any, num_places: int) -> Shifts:
    """Zeros (B, num_places, ...) for each leaf (B, ...) of a state that has a gradient."""
    return [
        jnp.zeros((leaf.shape[0], num_places, *leaf.shape[1:]), leaf.dtype)
        for leaf in jax.tree.leaves(state)
        if _has_gradient(leaf)
    ]


def shifted(state: Any, shift: Shifts) -> Any:
    """The state with each leaf that has a gradient shifted; what is counted stays."""
    shift = iter(shift)
    return jax.tree.map(lambda leaf: leaf + next(shift) if _has_gradient(leaf) else leaf, state)


def _has_gradient(leaf: Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.floating)


def _norm(vectors: Array) -> Array:
    """(..., H) -> (...). Scaled, as the squares of small numbers would be zero long before them."""
    largest = jnp.abs(vectors).max(axis=-1, keepdims=True)
    scaled = vectors / jnp.where(largest > 0, largest, 1)
    return largest[..., 0] * jnp.sqrt((scaled**2).sum(axis=-1))
