"""Recurrent cells behind one contract, a file for each family, and the scan that runs them.

`contract.py` says what every cell offers, `scan.py` runs one over a sentence. The names of `CELLS`
are those of model.cell. A stack asks for its first layer by `bottom_cell` and for those above it by
`upper_cell`; both give what makes a cell: (input_dim, state_dim, precision=..., rngs=...) -> Cell.
"""

from collections.abc import Callable
from functools import partial

from nmt.config.schema import RecurrentConfig
from nmt.models.cells.clockwork import Clockwork
from nmt.models.cells.contract import Cell, State, all_gates, by_gate
from nmt.models.cells.depth_gated_lstm import DepthGatedLSTM
from nmt.models.cells.gru import GRUResetAfter, GRUResetBefore
from nmt.models.cells.lstm import LSTM, CoupledLSTM
from nmt.models.cells.nested_lstm import NestedLSTM
from nmt.models.cells.peephole_lstm import FullPeepholeLSTM, PeepholeLSTM
from nmt.models.cells.scan import (
    Seen,
    run_both_ways,
    run_in_stack,
    scan_positions,
    seen,
)
from nmt.models.cells.vanilla import VanillaReLU, VanillaTanh

__all__ = [
    "CELLS",
    "Cell",
    "Seen",
    "State",
    "all_gates",
    "bottom_cell",
    "by_gate",
    "run_both_ways",
    "run_in_stack",
    "scan_positions",
    "seen",
    "upper_cell",
]

CELLS = {
    "vanilla_tanh": VanillaTanh,
    "vanilla_relu": VanillaReLU,
    "gru_reset_before": GRUResetBefore,
    "gru_reset_after": GRUResetAfter,
    "lstm": LSTM,
    "lstm_peephole": PeepholeLSTM,
    "lstm_peephole_full": FullPeepholeLSTM,
    "lstm_coupled": CoupledLSTM,
    "lstm_depth_gated": DepthGatedLSTM,
    "lstm_nested": NestedLSTM,
    "clockwork": Clockwork,
}


def bottom_cell(config: RecurrentConfig) -> Callable[..., Cell]:
    """What makes the cells of a first layer, which has no layer under it."""
    return PeepholeLSTM if config.cell == "lstm_depth_gated" else upper_cell(config)


def upper_cell(config: RecurrentConfig) -> Callable[..., Cell]:
    """What makes the cells of a layer above another."""
    if config.cell == "clockwork":
        return partial(Clockwork, num_modules=config.clockwork_modules)
    return CELLS[config.cell]
