"""Long short-term memory with a forget gate, and with one gate for both forgetting and input."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models.cells.contract import InputMatrices, State, by_gate, recurrent

Array = jax.Array


class LSTMState(NamedTuple):
    """The output h and the memory cell c, each (..., H)."""

    h: Array
    c: Array


class MemoryCell(InputMatrices):
    """What the variants share: a memory cell, and an output that is let out of it."""

    def initial_state(self, shape: tuple[int, ...]) -> LSTMState:
        """Zeros (*shape, H)."""
        return LSTMState(*(jnp.zeros((*shape, self.state_dim)) for _ in range(2)))

    def state_from_output(self, output: Array) -> LSTMState:
        """h is the output, c zero."""
        return LSTMState(output, jnp.zeros_like(output))

    def output(self, state: LSTMState) -> Array:
        """h."""
        return state.h


class LSTM(MemoryCell):
    """c' = f * c + i * g, h' = o * tanh(c').

    Here i, f, o = sigmoid(W x + U h + b), each with its own W, U and b, and g = tanh(W x + U h + b)
    likewise: Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000). The
    forget gate's bias starts at 1 (Jozefowicz et al. 2015).
    """

    gates = 4  # i, f, o, g

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        self.W.bias[...] = self.W.bias[...].at[1].set(1.0)
        self.U = recurrent(state_dim, 4, precision, rngs)

    def step(self, state: LSTMState, projected: Array, below: State | None = None) -> LSTMState:
        """state (..., H), projected (..., 4, H) -> the next state."""
        i, f, o, g = by_gate(projected + self.U(state.h))
        c = jax.nn.sigmoid(f) * state.c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return LSTMState(jax.nn.sigmoid(o) * jnp.tanh(c), c)


class CoupledLSTM(MemoryCell):
    """c' = (1 - i) * c + i * g, h' = o * tanh(c'), with i, o, g as those of the LSTM.

    The input gate forgets as much as it lets in: CIFG of Greff et al. (2015),
    https://arxiv.org/abs/1503.04069, whose LSTM has peepholes, which are left out here: it differs
    from `LSTM` in the coupling alone. Its gate's bias starts at -1, so that it forgets as little.
    """

    gates = 3  # i, o, g

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        self.W.bias[...] = self.W.bias[...].at[0].set(-1.0)
        self.U = recurrent(state_dim, 3, precision, rngs)

    def step(self, state: LSTMState, projected: Array, below: State | None = None) -> LSTMState:
        """state (..., H), projected (..., 3, H) -> the next state."""
        i, o, g = by_gate(projected + self.U(state.h))
        c = jax.nn.sigmoid(-i) * state.c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return LSTMState(jax.nn.sigmoid(o) * jnp.tanh(c), c)
