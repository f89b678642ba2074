"""The decoder's bottom layer: in which order it attends to the source and updates its state.

    project(embedded, context)          (B, Q, E) -> (B, Q, gates, H), outside the scan
    advance(state, projected, attend)   -> state, context, alignment, for one position
    cell                                whose states these are
    rows_to_read                        as in `nmt.models.seq2seq.CrossAttentions`

`attend` maps queries (B, Q, H) to a context (B, Q, M) and an alignment (B, Q, S). A layer that does
not attend gives None for both.
"""

from collections.abc import Callable

import jax
from flax import nnx

from nmt.config.schema import RecurrentConfig
from nmt.models.cells import Cell, State

Array = jax.Array
Attend = Callable[[Array], tuple[Array | None, Array | None]]
NewCell = Callable[[int, int], Cell]
NewLinear = Callable[..., nnx.LinearGeneral]
Advanced = tuple[State, Array | None, Array | None]


class _JoinedContext(nnx.Module):
    """A cell that reads [E y_{i-1}; c], its kernel in two: cell.W for E y_{i-1} and C for c."""

    def __init__(
        self, new_cell: NewCell, config: RecurrentConfig, annotation_dim: int, new_linear: NewLinear
    ):
        self.cell = new_cell(config.embedding_dim, config.decoder_dim)
        gates = self.cell.gates
        shape = gates, config.decoder_dim
        self.C = new_linear(annotation_dim, shape, use_bias=False, blocks=gates)


class AttendUpdate(_JoinedContext):
    """c_i = attend(s_{i-1}), s_i = cell(s_{i-1}, [E y_{i-1}; c_i]): Bahdanau et al. (2015)."""

    rows_to_read = 2  # s_{i-1}, which attends, has read y_{i-2}

    def project(self, embedded: Array, context: Array | None) -> Array:
        """The share of E y_{i-1} in the gates; that of c_i is known only within the scan."""
        return self.cell.project(embedded)

    def advance(self, state: State, projected: Array, attend: Attend) -> Advanced:
        """One position; leaves (B, Q, H), projected (B, Q, gates, H)."""
        context, alignment = attend(self.cell.output(state))
        return self.cell.step(state, projected + self.C(context)), context, alignment


class UpdateAttendUpdate(nnx.Module):
    """s'_i = cell(s_{i-1}, E y_{i-1}), c_i = attend(s'_i), s_i = cell'(s'_i, c_i).

    The conditional GRU of Nematus: Sennrich et al. (2017), https://arxiv.org/abs/1703.04357.
    """

    rows_to_read = 1  # s'_i, which attends, has read y_{i-1}

    def __init__(
        self, new_cell: NewCell, config: RecurrentConfig, annotation_dim: int, new_linear: NewLinear
    ):
        self.cell = new_cell(config.embedding_dim, config.decoder_dim)
        self.second_cell = new_cell(annotation_dim, config.decoder_dim)

    def project(self, embedded: Array, context: Array | None) -> Array:
        """The first cell's gates."""
        return self.cell.project(embedded)

    def advance(self, state: State, projected: Array, attend: Attend) -> Advanced:
        """One position; leaves (B, Q, H), projected (B, Q, gates, H)."""
        between = self.cell.step(state, projected)
        context, alignment = attend(self.cell.output(between))
        state = self.second_cell.step(between, self.second_cell.project(context))
        return state, context, alignment


class FixedContext(_JoinedContext):
    """s_i = cell(s_{i-1}, [E y_{i-1}; c]) with one c for all positions: Cho et al. (2014)."""

    def project(self, embedded: Array, context: Array | None) -> Array:
        """All of the gates' input; context (B, M)."""
        return self.cell.project(embedded) + self.C(context)[:, None]

    def advance(self, state: State, projected: Array, attend: Attend) -> Advanced:
        """One position; leaves (B, Q, H), projected (B, Q, gates, H)."""
        return self.cell.step(state, projected), None, None


class UpdateOnly(nnx.Module):
    """s_i = cell(s_{i-1}, E y_{i-1}), with the source in s_0 alone: Sutskever et al. (2014)."""

    def __init__(
        self, new_cell: NewCell, config: RecurrentConfig, annotation_dim: int, new_linear: NewLinear
    ):
        self.cell = new_cell(config.embedding_dim, config.decoder_dim)

    def project(self, embedded: Array, context: Array | None) -> Array:
        """The gates' input."""
        return self.cell.project(embedded)

    def advance(self, state: State, projected: Array, attend: Attend) -> Advanced:
        """One position; leaves (B, Q, H), projected (B, Q, gates, H)."""
        return self.cell.step(state, projected), None, None


class UpdateAttend(UpdateOnly):
    """s_i = cell(s_{i-1}, E y_{i-1}), then c_i = attend(s_i): Luong et al. (2015), section 3.

    It is the top layer's s_i that attends, as published: so this layer leaves it to the decoder,
    and where nothing is fed back c_i enters no state.
    """

    rows_to_read = 1  # s_i, which attends, has read y_{i-1}


BOTTOM_LAYERS = {
    "attend_update": AttendUpdate,
    "update_attend": UpdateAttend,
    "update_attend_update": UpdateAttendUpdate,
    "every_step": FixedContext,
    "initial_state": UpdateOnly,
}
