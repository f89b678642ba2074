"""Guided alignment: a second loss that draws a model's alignment towards given links.

Chen et al. (2016), https://arxiv.org/abs/1607.01628, for recurrent models; Garg et al. (2019),
https://arxiv.org/abs/1909.02074, for one head of a Transformer. With g_t the links of target piece
t, as a distribution over the source pieces that it is linked with,

    - sum_t sum_s g_ts log alpha_ts        over the target pieces that have links

so a piece without links, and a pair without any, is as free as it was.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array
SMALLEST = 1e-8  # alignment below it counts as this, and is not pushed further


class AlignmentSums(NamedTuple):
    """Sums over the target pieces of a batch that have links.

    Attributes:
      loss: cross-entropy of the alignment with the links.
      num_pieces: so many.
    """

    loss: Array
    num_pieces: Array


def alignment_loss(alignment: Array, links: Array) -> AlignmentSums:
    """Sums the guided loss of a batch.

    Args:
      alignment: (B, T, S), a probability over source positions.
      links: (B, T, S) bool; none on padding.
    """
    counts = links.sum(axis=-1)  # B T
    # Before the logarithm: where there is no link, a gradient of log 0 would be NaN times zero.
    energies = jnp.log(jnp.where(links, jnp.maximum(alignment, SMALLEST), 1.0))
    losses = -energies.sum(axis=-1) / jnp.maximum(counts, 1)  # B T
    return AlignmentSums(losses.sum(), (counts > 0).sum())
