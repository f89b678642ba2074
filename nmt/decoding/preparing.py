"""What search and sampling make of a model alone, once for all batches."""

from typing import NamedTuple

from nmt.decoding.continuations import Output, output_of
from nmt.models.seq2seq import Seq2Seq


class Prepared(NamedTuple):
    """A model as many steps use it.

    Attributes:
      stepper: of the model's `for_steps`.
      output: the projection.
    """

    stepper: Seq2Seq
    output: Output


def prepare(model: Seq2Seq, bos_id: int, pad_id: int) -> Prepared:
    """What search and sampling need of a model, whatever the batch.

    Args:
      model: any model of the contract.
      bos_id, pad_id: special pieces of the target.
    """
    return Prepared(model.for_steps(), output_of(model.projection(), bos_id, pad_id))
