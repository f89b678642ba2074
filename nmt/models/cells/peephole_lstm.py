"""The LSTM whose gates look into its memory cell."""

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models.cells.contract import State, by_gate
from nmt.models.cells.lstm import LSTM, LSTMState
from nmt.models.linear import linear

Array = jax.Array


class PeepholeLSTM(LSTM):
    """c' = f * c + i * g, h' = o * tanh(c'), where the gates see the memory cell.

    i = sigmoid(W_i x + U_i h + p_i * c + b_i), f likewise, o = sigmoid(W_o x + U_o h + p_o * c' +
    b_o), and g = tanh(W_g x + U_g h + b_g): Gers and Schmidhuber (2000), "Recurrent nets that time
    and count". The output gate sees the new memory. The peepholes p are vectors, as published, and
    start at zero: at first it is an LSTM.
    """

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        self.peepholes = nnx.Param(jnp.zeros((3, state_dim)))  # i, f, o

    def step(self, state: LSTMState, projected: Array, below: State | None = None) -> LSTMState:
        """state (..., H), projected (..., 4, H) -> the next state."""
        i, f, o, g = by_gate(projected + self.U(state.h))
        p_i, p_f, p_o = self.peepholes[...]
        kept = jax.nn.sigmoid(f + p_f * state.c) * state.c
        c = kept + jax.nn.sigmoid(i + p_i * state.c) * jnp.tanh(g)
        return LSTMState(jax.nn.sigmoid(o + p_o * c) * jnp.tanh(c), c)


class FullPeepholeLSTM(LSTM):
    """As `PeepholeLSTM`, but each gate sees all of the memory: P c in place of p * c.

    Two more matrices in each step, and a third that waits for the new memory. They start at zero.
    """

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        zeros = {"use_bias": False, "kernel_init": nnx.initializers.zeros_init()}
        self.P = linear(state_dim, (2, state_dim), precision=precision, rngs=rngs, **zeros)  # i, f
        self.P_o = linear(state_dim, (1, state_dim), precision=precision, rngs=rngs, **zeros)

    def step(self, state: LSTMState, projected: Array, below: State | None = None) -> LSTMState:
        """state (..., H), projected (..., 4, H) -> the next state."""
        i, f, o, g = by_gate(projected + self.U(state.h))
        Pc_i, Pc_f = by_gate(self.P(state.c))
        c = jax.nn.sigmoid(f + Pc_f) * state.c + jax.nn.sigmoid(i + Pc_i) * jnp.tanh(g)
        (Pc_o,) = by_gate(self.P_o(c))
        return LSTMState(jax.nn.sigmoid(o + Pc_o) * jnp.tanh(c), c)
