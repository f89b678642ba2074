"""A simple recurrent network in modules, each of which moves at its own pace."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from nmt.models.cells.contract import InputMatrices, State, by_gate
from nmt.models.linear import linear

Array = jax.Array


class ClockworkState(NamedTuple):
    """The output h, (..., H), and how many positions were read before, (..., 1), int32."""

    h: Array
    clock: Array


class Clockwork(InputMatrices):
    """h' = tanh(W x + b + U h) in the modules that are due, and h in the others.

    Koutník et al. (2014), https://arxiv.org/abs/1402.3511. The state is cut into equal modules
    0, 1, 2, ... of periods 1, 2, 4, ...: module k is due at positions t = 0, 2^k, 2 * 2^k, ...
    The fastest module is the first H / modules numbers, the slowest the last. A module reads
    itself and all slower ones, never a faster one: with the modules in that order U is block upper
    triangular (row k of blocks makes module k), and only the blocks that are not zero exist here.

    Positions are counted from the one that the cell reads first, at which all modules are due:
    backwards that is a sentence's last one. Padding is not counted. All modules are computed at
    every position and what is not due is thrown away, as sentences of a batch cannot wait for one
    another: the paper's saving of arithmetic is not made.
    """

    gates = 1

    def __init__(
        self, input_dim: int, state_dim: int, *, num_modules: int, precision: str, rngs: nnx.Rngs
    ):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        assert state_dim % num_modules == 0, "modules are equal"
        self.size = state_dim // num_modules
        new_row = lambda in_dim: linear(  # noqa: E731
            in_dim,
            (1, self.size),
            precision=precision,
            rngs=rngs,
            use_bias=False,
            kernel_init=nnx.initializers.orthogonal(),
        )
        self.U = nnx.List([new_row(state_dim - k * self.size) for k in range(num_modules)])

    def initial_state(self, shape: tuple[int, ...]) -> ClockworkState:
        """Zeros (*shape, H), and nothing read."""
        return self.state_from_output(jnp.zeros((*shape, self.state_dim)))

    def state_from_output(self, output: Array) -> ClockworkState:
        """h is the output, and nothing was read."""
        return ClockworkState(output, jnp.zeros((*output.shape[:-1], 1), jnp.int32))

    def step(
        self, state: ClockworkState, projected: Array, below: State | None = None
    ) -> ClockworkState:
        """state (..., H), projected (..., 1, H) -> the next state."""
        rows = [row(state.h[..., k * self.size :]) for k, row in enumerate(self.U)]
        (total,) = by_gate(projected + jnp.concatenate(rows, axis=-1))
        periods = np.repeat(2 ** np.arange(len(self.U), dtype=np.int32), self.size)  # H
        h = jnp.where(state.clock % periods == 0, jnp.tanh(total), state.h)
        return ClockworkState(h, state.clock + 1)

    def output(self, state: ClockworkState) -> Array:
        """h."""
        return state.h
