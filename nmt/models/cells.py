"""Recurrent cells behind one contract, and the scan that runs them over a sentence.

    project(inputs)                   what does not depend on the state, for all positions at once
    initial_state(shape)              zeros for leading axes `shape`
    state_from_output(output)         a state that begins with the given output
    step(state, projected, below)     one position
    output(state)                     what layers above and the readout see of a state

States are pytrees with leaves (..., H). `below` is the state of the layer under it at the same
position, which no cell here needs but depth-gated ones do.
"""

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models.linear import linear

Array = jax.Array
State = Any


class Cell(Protocol):
    """What every cell offers."""

    def project(self, inputs: Array) -> Array:
        """inputs (..., E) -> (..., gates, H)."""

    def initial_state(self, shape: tuple[int, ...]) -> State:
        """Zeros, with leaves (*shape, H)."""

    def state_from_output(self, output: Array) -> State:
        """output (..., H) -> the state that a decoder starts from."""

    def step(self, state: State, projected: Array, below: State | None = None) -> State:
        """state (..., H), projected (..., gates, H) -> the next state."""

    def output(self, state: State) -> Array:
        """The state's visible part, (..., H)."""


def _recurrent(state_dim: int, gates: int, precision: str, rngs: nnx.Rngs) -> nnx.LinearGeneral:
    """The matrices U of `gates` gates, each orthogonal at first (Saxe et al. 2014)."""
    return linear(
        state_dim,
        (gates, state_dim),
        precision=precision,
        rngs=rngs,
        use_bias=False,
        blocks=gates,
        kernel_init=nnx.initializers.orthogonal(),
    )


def _gates(projected: Array) -> list[Array]:
    """(..., gates, H) -> one (..., H) per gate."""
    return [projected[..., gate, :] for gate in range(projected.shape[-2])]


class GRU(nnx.Module):
    """What both variants of the GRU share: gates z and r, a proposal n, and a state that is shown.

    Cho et al. (2014), https://arxiv.org/abs/1406.1078. The variants compute different functions and
    their weights cannot be exchanged.
    """

    gates = 3

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        self.state_dim = state_dim
        self.W = linear(
            input_dim, (3, state_dim), precision=precision, rngs=rngs, blocks=3
        )  # z, r, n; holds every bias

    def project(self, inputs: Array) -> Array:
        """inputs (..., E) -> (..., 3, H)."""
        return self.W(inputs)

    def initial_state(self, shape: tuple[int, ...]) -> Array:
        """Zeros (*shape, H)."""
        return jnp.zeros((*shape, self.state_dim))

    def state_from_output(self, output: Array) -> Array:
        """The output is the state."""
        return output

    def output(self, state: Array) -> Array:
        """The output is the state."""
        return state


class GRUResetAfter(GRU):
    """s' = (1 - z) n + z s, with n = tanh(W_n x + b_n + r * U_n s), z, r = sigmoid(W x + b + U s).

    The reset gate acts behind U_n instead of before it, as in cuDNN: one matmul a step, not two.
    """

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        self.U = _recurrent(state_dim, 3, precision, rngs)  # z, r, n

    def step(self, state: Array, projected: Array, below: State | None = None) -> Array:
        """state (..., H), projected (..., 3, H) -> (..., H)."""
        (Wx_z, Wx_r, Wx_n), (Us_z, Us_r, Us_n) = _gates(projected), _gates(self.U(state))
        z, r = jax.nn.sigmoid(Wx_z + Us_z), jax.nn.sigmoid(Wx_r + Us_r)
        return (1 - z) * jnp.tanh(Wx_n + r * Us_n) + z * state


class GRUResetBefore(GRU):
    """s' = (1 - z) s + z n, n = tanh(W_n x + b_n + U_n (r * s)), z, r = sigmoid(W x + b + U s).

    As published, with the roles of z and 1 - z as Bahdanau et al. (2015), appendix A.1.1, have
    them. The product r * s needs a second matmul in every step.
    """

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        super().__init__(input_dim, state_dim, precision=precision, rngs=rngs)
        self.U = _recurrent(state_dim, 2, precision, rngs)  # z, r
        self.U_n = _recurrent(state_dim, 1, precision, rngs)

    def step(self, state: Array, projected: Array, below: State | None = None) -> Array:
        """state (..., H), projected (..., 3, H) -> (..., H)."""
        (Wx_z, Wx_r, Wx_n), (Us_z, Us_r) = _gates(projected), _gates(self.U(state))
        z, r = jax.nn.sigmoid(Wx_z + Us_z), jax.nn.sigmoid(Wx_r + Us_r)
        (Urs_n,) = _gates(self.U_n(r * state))
        return (1 - z) * state + z * jnp.tanh(Wx_n + Urs_n)


class LSTMState(NamedTuple):
    """The output h and the memory cell c, each (..., H)."""

    h: Array
    c: Array


class LSTM(nnx.Module):
    """c' = f * c + i * g, h' = o * tanh(c').

    Here i, f, o = sigmoid(W x + U h + b), each with its own W, U and b, and g = tanh(W x + U h + b)
    likewise: Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000). The
    forget gate's bias starts at 1 (Jozefowicz et al. 2015).
    """

    gates = 4

    def __init__(self, input_dim: int, state_dim: int, *, precision: str, rngs: nnx.Rngs):
        self.state_dim = state_dim
        self.W = linear(
            input_dim, (4, state_dim), precision=precision, rngs=rngs, blocks=4
        )  # i, f, o, g; holds every bias
        self.W.bias[...] = self.W.bias[...].at[1].set(1.0)
        self.U = _recurrent(state_dim, 4, precision, rngs)

    def project(self, inputs: Array) -> Array:
        """inputs (..., E) -> (..., 4, H)."""
        return self.W(inputs)

    def initial_state(self, shape: tuple[int, ...]) -> LSTMState:
        """Zeros (*shape, H)."""
        return LSTMState(*(jnp.zeros((*shape, self.state_dim)) for _ in range(2)))

    def state_from_output(self, output: Array) -> LSTMState:
        """h is the output, c zero."""
        return LSTMState(output, jnp.zeros_like(output))

    def step(self, state: LSTMState, projected: Array, below: State | None = None) -> LSTMState:
        """state (..., H), projected (..., 4, H) -> the next state."""
        i, f, o, g = _gates(projected + self.U(state.h))
        c = jax.nn.sigmoid(f) * state.c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return LSTMState(jax.nn.sigmoid(o) * jnp.tanh(c), c)

    def output(self, state: LSTMState) -> Array:
        """h."""
        return state.h


CELLS = {"gru_reset_before": GRUResetBefore, "gru_reset_after": GRUResetAfter, "lstm": LSTM}


def where_real(real: Array, moved: State, state: State) -> State:
    """The moved state where `real` (...), else the state as it was; leaves (..., H)."""
    return jax.tree.map(lambda new, old: jnp.where(real[..., None], new, old), moved, state)


def run(
    cell: Cell, inputs: Array, mask: Array, initial: State | None = None, *, reverse: bool = False
) -> tuple[Array, Array]:
    """Runs a cell over sentences; padding leaves the state as it was.

    Args:
      cell: the cell.
      inputs: (B, T, E).
      mask: (B, T), True on real positions.
      initial: the state to start from, zeros if None.
      reverse: from the last position to the first.
    Returns:
      outputs: (B, T, H), that of position t at t, also in reverse.
      final: the output after the position visited last, (B, H).
    """

    def step(state, now):
        projected, real = now  # (B, gates, H), (B,)
        state = where_real(real, cell.step(state, projected), state)
        return state, cell.output(state)

    start = cell.initial_state(inputs.shape[:1]) if initial is None else initial
    time_major = cell.project(inputs).swapaxes(0, 1), mask.swapaxes(0, 1)
    final, outputs = jax.lax.scan(step, start, time_major, reverse=reverse)
    return outputs.swapaxes(0, 1), cell.output(final)
