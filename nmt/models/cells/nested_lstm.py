"""The LSTM whose memory cell is an LSTM."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models.cells.contract import State, by_gate
from nmt.models.cells.lstm import LSTM, LSTMState

Array = jax.Array


class NestedLSTMState(NamedTuple):
    """The output h, (..., H), and the memory, whose own output is the outer memory cell c."""

    h: Array
    memory: LSTMState


class NestedLSTM(LSTM):
    """c' = inner(f * c, i * g) in place of the sum f * c + i * g, and h' = o * tanh(c').

    The gates i, f, o and g are those of the LSTM. The inner LSTM has matrices, biases and a memory
    m of its own; it reads i * g, its output before is f * c and its output after is c':

        i~, f~, o~ = sigmoid(W~ (i * g) + U~ (f * c) + b~),  g~ = tanh of the same, each its own
        m' = f~ * m + i~ * g~,  c' = o~ * tanh(m')

    Moniz and Krueger (2018), https://arxiv.org/abs/1801.10308, with one level of nesting. Some
    programs leave the tanh of g out.
    """

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        self.inner = LSTM(state_dim, state_dim, precision=precision, rngs=rngs)

    def initial_state(self, shape: tuple[int, ...]) -> NestedLSTMState:
        """Zeros (*shape, H)."""
        return NestedLSTMState(jnp.zeros((*shape, self.state_dim)), self.inner.initial_state(shape))

    def state_from_output(self, output: Array) -> NestedLSTMState:
        """h is the output, the memory zero."""
        return NestedLSTMState(output, LSTMState(jnp.zeros_like(output), jnp.zeros_like(output)))

    def step(
        self, state: NestedLSTMState, projected: Array, below: State | None = None
    ) -> NestedLSTMState:
        """state (..., H), projected (..., 4, H) -> the next state."""
        i, f, o, g = by_gate(projected + self.U(state.h))
        kept = state.memory._replace(h=jax.nn.sigmoid(f) * state.memory.h)
        memory = self.inner.step(kept, self.inner.project(jax.nn.sigmoid(i) * jnp.tanh(g)))
        return NestedLSTMState(jax.nn.sigmoid(o) * jnp.tanh(memory.h), memory)
