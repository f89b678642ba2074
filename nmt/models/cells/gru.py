"""The gated recurrent unit, in the two variants that the field has.

Cho et al. (2014), https://arxiv.org/abs/1406.1078: gates z and r, a proposal n, and a state that is
shown. The variants compute different functions and their weights cannot be exchanged.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models.cells.contract import ShownState, State, by_gate, recurrent

Array = jax.Array


class GRUResetAfter(ShownState):
    """s' = (1 - z) n + z s, with n = tanh(W_n x + b_n + r * U_n s), z, r = sigmoid(W x + b + U s).

    The reset gate acts behind U_n instead of before it: one matmul a step, not two. cuDNN's GRU is
    the same but for a second bias, which it adds to U_n s within the reset.
    """

    gates = 3  # z, r, n

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        self.U = recurrent(state_dim, 3, precision, rngs)  # z, r, n

    def step(self, state: Array, projected: Array, below: State | None = None) -> Array:
        """state (..., H), projected (..., 3, H) -> (..., H)."""
        (Wx_z, Wx_r, Wx_n), (Us_z, Us_r, Us_n) = by_gate(projected), by_gate(self.U(state))
        z, r = jax.nn.sigmoid(Wx_z + Us_z), jax.nn.sigmoid(Wx_r + Us_r)
        return (1 - z) * jnp.tanh(Wx_n + r * Us_n) + z * state


class GRUResetBefore(ShownState):
    """s' = (1 - z) s + z n, n = tanh(W_n x + b_n + U_n (r * s)), z, r = sigmoid(W x + b + U s).

    As published, with the roles of z and 1 - z as Bahdanau et al. (2015), appendix A.1.1, have
    them. The product r * s needs a second matmul in every step.
    """

    gates = 3  # z, r, n

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        self.U = recurrent(state_dim, 2, precision, rngs)  # z, r
        self.U_n = recurrent(state_dim, 1, precision, rngs)

    def step(self, state: Array, projected: Array, below: State | None = None) -> Array:
        """state (..., H), projected (..., 3, H) -> (..., H)."""
        (Wx_z, Wx_r, Wx_n), (Us_z, Us_r) = by_gate(projected), by_gate(self.U(state))
        z, r = jax.nn.sigmoid(Wx_z + Us_z), jax.nn.sigmoid(Wx_r + Us_r)
        (Urs_n,) = by_gate(self.U_n(r * state))
        return (1 - z) * state + z * jnp.tanh(Wx_n + Urs_n)
