"""How the alignment of a target piece is read from a model.

Row i of the forced pass has read the pieces before piece i, and predicts it.

    attention       row i: where the model looks to predict the piece
    attention+1     row i + 1, which predicts the piece after it; for the last piece that is EOS
    attention+2     row i + 2; after the last piece EOS is read as though it were a piece
    shift-att       the first attention whose query has read the piece: row i + 1 (Chen et al. 2020,
                    https://arxiv.org/abs/2004.14837); not where a decoder attends before it reads
    saliency        how much the piece's probability depends on a source position, see saliency.py
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nmt.errors import NmtError, nearest

if TYPE_CHECKING:
    from nmt.models.seq2seq import CrossAttentions

SHIFT_ATT, SALIENCY = "shift-att", "saliency"
_ROW_OFFSETS = {"attention": 0, "attention+1": 1, "attention+2": 2, SHIFT_ATT: 1, SALIENCY: 0}
METHODS = tuple(_ROW_OFFSETS)


@dataclass(frozen=True)
class AlignmentMethod:
    """One way to read an alignment.

    Attributes:
      name: one of METHODS.
      layer: of the decoder, from 0, or from the end where negative. None is the model's own: what
        was chosen for the run and this method (`nmt.decoding.heads`), or else what the model's
        config says.
      head: of that layer; None, where a layer is given, is the mean of its heads.
    """

    name: str = "attention"
    layer: int | None = None
    head: int | None = None

    def __post_init__(self):
        if self.name not in METHODS:
            raise NmtError(
                f"there is no alignment method {self.name!r}{nearest(self.name, METHODS)}"
            )
        if self.layer is None and self.head is not None:
            raise NmtError(f"head {self.head} needs the layer that it is of; got none")
        if self.name == SALIENCY and self.layer is not None:
            raise NmtError(
                f"saliency is one for the whole model, not of a layer; got layer {self.layer}"
            )

    @property
    def row_offset(self) -> int:
        """k, where the alignment of piece i is row i + k of the forced pass."""
        return _ROW_OFFSETS[self.name]


def check_method(
    method: AlignmentMethod, attentions: "CrossAttentions | None", *, heads: bool = False
) -> None:
    """Makes sure that a model can be aligned so.

    Args:
      method: how.
      attentions: of the model.
      heads: whether every layer and head is wanted as well.
    Raises:
      NmtError: it cannot, and why.
    """
    if attentions is None:
        raise NmtError("the model has no attention, and so no alignment")
    if heads and method.name == SALIENCY:
        raise NmtError("saliency is one for the whole model: it has no layers and heads to show")
    if method.name == SHIFT_ATT and attentions.rows_to_read != 1:
        raise NmtError(
            "shift-att does not exist for a decoder that attends, then updates "
            "(model.decoder_order attend_update): the attention after a target piece is computed "
            "from a state that has not read the piece yet; attention+1 and attention+2 measure the "
            "rows that follow"
        )
    if method.layer is not None:
        _check_range("layer", method.layer, -attentions.num_layers, attentions.num_layers)
    if method.head is not None:
        _check_range("head", method.head, 0, attentions.num_heads)


def _check_range(name: str, value: int, lowest: int, stop: int) -> None:
    if not lowest <= value < stop:
        raise NmtError(
            f"the {name} of an alignment must be between {lowest} and {stop - 1}; got {value}"
        )
