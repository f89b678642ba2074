"""Label-smoothed cross-entropy from features, never storing all logits.

A batch of 4096 target positions over 30,000 pieces has logits of half a gigabyte. They are made
for some positions at a time, and for real ones alone; when a gradient will be wanted it is taken in
the same pass, while the chunk's logits are at hand, so that the backward pass only scales it.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nmt.models.biased_kernel import biased_kernel, logits_from_biased, with_ones
from nmt.models.linear import einsum, rounded
from nmt.models.seq2seq import VOCABULARY_MULTIPLE, Projection
from nmt.training.guided_alignment import AlignmentSums
from nmt.training.real_positions import Positions, scan_real

Array = jax.Array
# Positions whose logits are made at once: 60 MiB of them for 30,000 pieces. Each chunk costs a pass
# over the kernel's gradient: chunks of 140 positions took 4 to 24 % longer, of 1024 as long.
CHUNK_POSITIONS = 512


class LossSums(NamedTuple):
    """Sums over the real target positions of a batch.

    Attributes:
      loss: (1 - e) nll + e mean over the vocabulary of -log p; what is minimised.
      nll: -log p of the target piece; perplexity is exp(nll / num_pieces).
      num_pieces: real target positions, EOS counted.
      alignment: of guided alignment, see `nmt.training.guided_alignment`; None without.
    """

    loss: Array
    nll: Array
    num_pieces: Array
    alignment: AlignmentSums | None = None


def cross_entropy(
    features: Array,
    projection: Projection,
    target_out: Array,
    target_mask: Array,
    label_smoothing: float,
) -> LossSums:
    """Sums the loss of a batch: Szegedy et al. (2016), section 7, for the smoothing.

    Args:
      features: (B, T, E).
      projection: of the model.
      target_out: (B, T), the pieces to predict.
      target_mask: (B, T), True where there is one.
      label_smoothing: e, spread over the real vocabulary.
    Returns:
      The sums; only `loss` has a gradient.
    """
    positions = Positions(
        features.reshape(-1, features.shape[-1]), target_out.reshape(-1), target_mask.reshape(-1)
    )
    loss, nll = _cross_entropy(positions, projection, label_smoothing)
    return LossSums(loss, nll, target_mask.sum())


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _cross_entropy(positions, projection, label_smoothing):
    """-> loss, nll."""
    biased = biased_kernel(projection)

    def add(sums, chunk):
        losses, nlls, _ = _losses(chunk, projection, biased, label_smoothing)
        return (sums[0] + losses.sum(), sums[1] + nlls.sum()), None

    start = jnp.zeros(()), jnp.zeros(())
    return scan_real(add, start, None, positions, _chunk_size(positions))[0]


def _forward(positions, projection, label_smoothing):
    """As `_cross_entropy`, and the gradient with it."""
    biased = biased_kernel(projection)

    def add(sums, chunk):
        losses, nlls, logits_gradient = _losses(chunk, projection, biased, label_smoothing)
        loss, nll, kernel = sums
        features_gradient = einsum(
            "pv,ve->pe", logits_gradient, projection.kernel, projection.precision
        )
        features = with_ones(chunk.features)
        kernel += einsum("pe,pv->ev", features, logits_gradient, projection.precision)
        return (loss + losses.sum(), nll + nlls.sum(), kernel), features_gradient

    start = (
        jnp.zeros(()),
        jnp.zeros(()),
        jnp.zeros_like(biased, jnp.float32),  # E' V, in which form it is summed fastest
    )
    (loss, nll, kernel), features_gradient = scan_real(
        add, start, jnp.zeros_like(positions.features), positions, _chunk_size(positions)
    )
    kernel, bias = jnp.split(kernel, [positions.features.shape[1]])  # what a one is multiplied with
    gradient = Projection(kernel.T, bias[0], projection.size, projection.precision)
    return (loss, nll), (features_gradient, gradient)


def _backward(label_smoothing, gradients, cotangents):
    loss_cotangent, _ = cotangents  # nll is reported, not minimised
    features, projection = jax.tree.map(lambda leaf: leaf * loss_cotangent, gradients)
    return Positions(features, None, None), projection


_cross_entropy.defvjp(_forward, _backward)


def _losses(positions, projection, biased, label_smoothing):
    """C positions -> losses, nlls (C,), d loss / d logits (C, V), all zero where masked.

    On a CPU each pass over the logits costs a hundredth of a product of theirs. Here are five: the
    product itself, the greatest, the exponentials, their sum, the gradient.
    """
    features, target, mask = positions
    logits = logits_from_biased(features, biased, projection.precision)  # C V
    greatest = logits.max(axis=-1)  # C
    exps = jnp.exp(logits - greatest[:, None])  # C V, zero for padding rows
    total = _sum_of_rows(exps)
    log_sum = greatest + jnp.log(total)
    nlls = log_sum - _logits_of(target, features, projection)
    losses = (1 - label_smoothing) * nlls
    losses += label_smoothing * (log_sum - _mean_logits(features, projection))
    pieces = jnp.arange(logits.shape[-1])
    smooth = jnp.where(pieces < projection.size, label_smoothing / projection.size, 0.0)  # V
    # By comparison, not by indexing: so the vocabulary may be spread over devices.
    wanted = jnp.where(pieces == target[:, None], 1 - label_smoothing, 0.0) + smooth
    gradient = exps * (mask / total)[:, None] - jnp.where(mask[:, None], wanted, 0.0)
    return jnp.where(mask, losses, 0.0), jnp.where(mask, nlls, 0.0), gradient


def _logits_of(pieces, features, projection):
    """The logit of one piece for each position: pieces (C,), features (C, E) -> (C,)."""
    rows = rounded(jnp.take(projection.kernel, pieces, axis=0), projection.precision)  # C E
    products = rounded(features, projection.precision) * rows
    return products.sum(axis=-1) + jnp.take(projection.bias, pieces)


def _mean_logits(features, projection):
    """The mean logit of the real vocabulary, features (C, E) -> (C,): that of the mean row."""
    kernel = rounded(projection.kernel[: projection.size], projection.precision)
    products = rounded(features, projection.precision) * kernel.mean(axis=0)
    return products.sum(axis=-1) + projection.bias[: projection.size].mean()


def _chunk_size(positions):
    """CHUNK_POSITIONS or less, so that a batch without padding is cut evenly."""
    num_positions = len(positions.mask)
    return -(-num_positions // -(-num_positions // CHUNK_POSITIONS))


def _sum_of_rows(matrix):
    """(C, V) -> (C,). XLA's CPU backend adds up a row one by one, but 128 columns at a time."""
    return matrix.reshape(len(matrix), -1, VOCABULARY_MULTIPLE).sum(axis=1).sum(axis=-1)
