"""What every recurrent cell offers, and what most of them share.

    project(inputs)                   what does not depend on the state, for all positions at once
    initial_state(shape)              the state before the first position, for leading axes `shape`
    state_from_output(output)         a state that begins with the given output
    step(state, projected, below)     one position
    output(state)                     what layers above and the readout see of a state

States are pytrees with leaves (..., H), or (..., 1) for what is counted. `below` is the state of
the layer under it at the same position; a cell that does not say `reads_below` may get None.
"""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models.linear import linear

Array = jax.Array
State = Any


class Cell(Protocol):
    """What every cell offers.

    Attributes:
      gates: how many blocks of H numbers `project` gives.
      reads_below: whether `step` needs the state of the layer below.
    """

    gates: int
    reads_below: bool

    def project(self, inputs: Array) -> Array:
        """inputs (..., E) -> (..., gates, H)."""

    def initial_state(self, shape: tuple[int, ...]) -> State:
        """Zeros, with leaves (*shape, H) or (*shape, 1)."""

    def state_from_output(self, output: Array) -> State:
        """output (..., H) -> the state that a decoder starts from."""

    def step(self, state: State, projected: Array, below: State | None = None) -> State:
        """state (..., H), projected (..., gates, H) -> the next state."""

    def output(self, state: State) -> Array:
        """The state's visible part, (..., H)."""


class InputMatrices(nnx.Module):
    """What all cells share: the matrices W of their gates, which hold every bias."""

    gates: int
    reads_below = False

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        self.state_dim = state_dim
        self.W = linear(
            input_dim, (self.gates, state_dim), precision=precision, rngs=rngs, blocks=self.gates
        )

    def project(self, inputs: Array) -> Array:
        """inputs (..., E) -> (..., gates, H)."""
        return self.W(inputs)


class ShownState(InputMatrices):
    """A cell whose state is one vector, which is shown as it is."""

    def initial_state(self, shape: tuple[int, ...]) -> Array:
        """Zeros (*shape, H)."""
        return jnp.zeros((*shape, self.state_dim))

    def state_from_output(self, output: Array) -> Array:
        """The output is the state."""
        return output

    def output(self, state: Array) -> Array:
        """The output is the state."""
        return state


def recurrent(
    state_dim: int,
    gates: int,
    precision: str,
    rngs: nnx.Rngs,
    kernel_init: nnx.Initializer | None = None,
) -> nnx.LinearGeneral:
    """The matrices U of `gates` gates, each orthogonal at first (Saxe et al. 2014)."""
    return linear(
        state_dim,
        (gates, state_dim),
        precision=precision,
        rngs=rngs,
        use_bias=False,
        blocks=gates,
        kernel_init=kernel_init or nnx.initializers.orthogonal(),
    )


@jax.custom_vjp
def by_gate(projected: Array) -> list[Array]:
    """(..., gates, H) -> one (..., H) per gate.

    The gradient is put together as `all_gates` does it, where JAX would pad the gradient of each
    gate to the size of all and add them up.
    """
    return [projected[..., gate, :] for gate in range(projected.shape[-2])]


def all_gates(of_gates: list[Array]) -> Array:
    """The opposite: one (..., H) per gate -> (..., gates, H).

    Scans are given their input gate by gate: LLVM vectorises no step that takes gates out of one
    array of all positions, and it takes five times as long.
    """
    return jnp.stack(of_gates, axis=-2)


by_gate.defvjp(
    lambda projected: (by_gate(projected), None), lambda _, gradients: (all_gates(gradients),)
)
