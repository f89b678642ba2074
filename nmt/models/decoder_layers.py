"""The decoder's bottom layer: in which order it attends to the source and updates its state.

    project(embedded)                   (..., E) -> (..., gates, H), outside the scan
    join(projected, context)            adds what the fixed context (B, M) has to say, likewise
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


class _BottomLayer(nnx.Module):
    """What the layers share."""

    cell: Cell

    def project(self, embedded: Array) -> Array:
        """The share of E y_{i-1} in the gates."""
        return self.cell.project(embedded)

    def join(self, projected: Array, context: Array | None) -> Array:
        """projected (B, Q, gates, H), which no fixed context changes."""
        return projected


class _JoinedContext(_BottomLayer):
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

    def advance(self, state: State, projected: Array, attend: Attend) -> Advanced:
        """One position; leaves (B, Q, H), projected (B, Q, gates, H)."""
        context, alignment = attend(self.cell.output(state))
        return self.cell.step(state, projected + self.C(context)), context, alignment


class UpdateAttendUpdate(_BottomLayer):
    """s'_i = cell(s_{i-1}, E y_{i-1}), c_i = attend(s'_i), s_i = cell'(s'_i, c_i).

    The conditional GRU of Nematus: Sennrich et al. (2017), https://arxiv.org/abs/1703.04357.
    """

    rows_to_read = 1  # s'_i, which attends, has read y_{i-1}

    def __init__(
        self, new_cell: NewCell, config: RecurrentConfig, annotation_dim: int, new_linear: NewLinear
    ):
        self.cell = new_cell(config.embedding_dim, config.decoder_dim)
        self.second_cell = new_cell(annotation_dim, config.decoder_dim)

    def advance(self, state: State, projected: Array, attend: Attend) -> Advanced:
        """One position; leaves (B, Q, H), projected (B, Q, gates, H)."""
        between = self.cell.step(state, projected)
        context, alignment = attend(self.cell.output(between))
        state = self.second_cell.step(between, self.second_cell.project(context))
        return state, context, alignment


class FixedContext(_JoinedContext):
    """s_i = cell(s_{i-1}, [E y_{i-1}; c]) with one c for all positions: Cho et al. (2014)."""

    def join(self, projected: Array, context: Array | None) -> Array:
        """projected (B, Q, gates, H), context (B, M) -> all of the gates' input."""
        return projected + self.C(context)[:, None]

    def advance(self, state: State, projected: Array, attend: Attend) -> Advanced:
        """One position; leaves (B, Q, H), projected (B, Q, gates, H)."""
        return self.cell.step(state, projected), None, None


class UpdateOnly(_BottomLayer):
    """s_i = cell(s_{i-1}, E y_{i-1}), with the source in s_0 alone: Sutskever et al. (2014)."""

    def __init__(
        self, new_cell: NewCell, config: RecurrentConfig, annotation_dim: int, new_linear: NewLinear
    ):
        self.cell = new_cell(config.embedding_dim, config.decoder_dim)

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
