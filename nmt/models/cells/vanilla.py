"""The simple recurrent network: one matrix, one activation, no gate."""

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models.cells.contract import ShownState, State, by_gate, recurrent

Array = jax.Array


class VanillaTanh(ShownState):
    """s' = tanh(W x + b + U s): Elman (1990), "Finding structure in time".

    Elman's units are logistic; tanh is what the field took up.
    """

    gates = 1

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        self.U = recurrent(state_dim, 1, precision, rngs)

    def step(self, state: Array, projected: Array, below: State | None = None) -> Array:
        """state (..., H), projected (..., 1, H) -> (..., H)."""
        (total,) = by_gate(projected + self.U(state))
        return jnp.tanh(total)


class VanillaReLU(ShownState):
    """s' = max(0, W x + b + U s), where U is the identity at first.

    Le, Jaitly and Hinton (2015), https://arxiv.org/abs/1504.00941: so that a state is kept until
    something is learnt. Their inputs' matrix is Gaussian of deviation 0.001; here it is Glorot's.
    """

    gates = 1

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        self.U = recurrent(state_dim, 1, precision, rngs, kernel_init=_identity)

    def step(self, state: Array, projected: Array, below: State | None = None) -> Array:
        """state (..., H), projected (..., 1, H) -> (..., H)."""
        (total,) = by_gate(projected + self.U(state))
        return jax.nn.relu(total)


def _identity(key: Array, shape: tuple[int, int], dtype: jnp.dtype) -> Array:
    return jnp.eye(*shape, dtype=dtype)
