"""The LSTM whose memory is joined to that of the layer below through a gate."""

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models.cells.contract import by_gate, recurrent
from nmt.models.cells.lstm import LSTMState, MemoryCell

Array = jax.Array


class DepthGatedLSTM(MemoryCell):
    """c' = d * l + f * c + i * g, h' = o * tanh(c'), with l the new memory of the layer below.

    d = sigmoid(W_d x + p_d * c + q_d * l + b_d), and i, f, o, g are those of `PeepholeLSTM`: Yao et
    al. (2015), https://arxiv.org/abs/1508.03790. No matrix joins d to h; p_d and q_d are vectors.
    The first layer has no layer below: there is no d * l in it, and it is a `PeepholeLSTM`. (Some
    programs give the first layer a gate on a projection of x; this one does not.)

    In an encoder each direction looks at the layer below in its own direction. A decoder's first
    layer may be two cells (update, attend, update): neither has a layer below it, and the second
    layer looks at what the second of them left.
    """

    gates = 5  # i, f, o, g, d
    reads_below = True

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        self.W.bias[...] = self.W.bias[...].at[1].set(1.0)
        self.U = recurrent(state_dim, 4, precision, rngs)  # i, f, o, g
        self.peepholes = nnx.Param(jnp.zeros((5, state_dim)))  # p_i, p_f, p_o, p_d, q_d

    def step(self, state: LSTMState, projected: Array, below: LSTMState | None = None) -> LSTMState:
        """state (..., H), projected (..., 5, H), below (..., H) -> the next state."""
        assert below is not None, "a depth gate needs the layer below"
        i, f, o, g = by_gate(projected[..., :4, :] + self.U(state.h))
        p_i, p_f, p_o, p_d, q_d = self.peepholes[...]
        d = jax.nn.sigmoid(projected[..., 4, :] + p_d * state.c + q_d * below.c)
        kept = d * below.c + jax.nn.sigmoid(f + p_f * state.c) * state.c
        c = kept + jax.nn.sigmoid(i + p_i * state.c) * jnp.tanh(g)
        return LSTMState(jax.nn.sigmoid(o + p_o * c) * jnp.tanh(c), c)
