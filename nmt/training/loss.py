"""Label-smoothed cross-entropy from features, never storing all logits.

A batch of 4096 target positions over 30,000 pieces has logits of half a gigabyte. They are made
for some positions at a time; when a gradient will be wanted it is taken in the same pass, while
the chunk's logits are at hand, so that the backward pass only scales it.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nmt.models.biased_kernel import biased_kernel, logits_from_biased, with_ones
from nmt.models.linear import einsum, rounded
from nmt.models.seq2seq import VOCABULARY_MULTIPLE, Projection
from nmt.training.guided_alignment import AlignmentSums

Array = jax.Array
CHUNK_LOGITS = 2**22  # logits made at a time: 32 MiB in float32


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
    loss, nll = _cross_entropy(
        features.reshape(-1, features.shape[-1]),
        projection,
        target_out.reshape(-1),
        target_mask.reshape(-1),
        label_smoothing,
    )
    return LossSums(loss, nll, target_mask.sum())


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _cross_entropy(features, projection, target, mask, label_smoothing):
    """features (P, E), target and mask (P,) -> loss, nll."""

    biased = biased_kernel(projection)

    def add(sums, chunk):
        losses, nlls, _ = _losses(*chunk, projection, biased, label_smoothing)
        return (sums[0] + losses.sum(), sums[1] + nlls.sum()), None

    chunks = _chunked(projection, features, target, mask)
    return jax.lax.scan(add, (jnp.zeros(()), jnp.zeros(())), chunks)[0]


def _forward(features, projection, target, mask, label_smoothing):
    """As `_cross_entropy`, and the gradient with it."""

    biased = biased_kernel(projection)

    def add(sums, chunk):
        features, target, mask = chunk
        losses, nlls, logits_gradient = _losses(*chunk, projection, biased, label_smoothing)
        loss, nll, kernel = sums
        features_gradient = einsum(
            "pv,ve->pe", logits_gradient, projection.kernel, projection.precision
        )
        kernel += einsum("pe,pv->ev", with_ones(features), logits_gradient, projection.precision)
        return (loss + losses.sum(), nll + nlls.sum(), kernel), features_gradient

    start = (
        jnp.zeros(()),
        jnp.zeros(()),
        jnp.zeros_like(biased, jnp.float32),  # E' V, in which form it is summed fastest
    )
    chunks = _chunked(projection, features, target, mask)
    (loss, nll, kernel), features_gradient = jax.lax.scan(add, start, chunks)
    features_gradient = features_gradient.reshape(-1, features.shape[-1])[: len(features)]
    kernel, bias = jnp.split(kernel, [features.shape[1]])  # what a one is multiplied with
    gradient = Projection(kernel.T, bias[0], projection.size, projection.precision)
    return (loss, nll), (features_gradient, gradient)


def _backward(label_smoothing, gradients, cotangents):
    loss_cotangent, _ = cotangents  # nll is reported, not minimised
    scaled = jax.tree.map(lambda leaf: leaf * loss_cotangent, gradients)
    return *scaled, None, None


_cross_entropy.defvjp(_forward, _backward)


def _losses(features, target, mask, projection, biased, label_smoothing):
    """features (C, E), target, mask (C,) -> losses, nlls (C,), d loss / d logits (C, V).

    On a CPU each pass over the logits costs a hundredth of a product of theirs. Here are five: the
    product itself, the greatest, the exponentials, their sum, the gradient.
    """
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


def _sum_of_rows(matrix):
    """(C, V) -> (C,). XLA's CPU backend adds up a row one by one, but 128 columns at a time."""
    return matrix.reshape(len(matrix), -1, VOCABULARY_MULTIPLE).sum(axis=1).sum(axis=-1)


def _chunked(projection, features, target, mask):
    """Cuts P positions into chunks (chunks, C, ...), the last one filled with masked ones."""
    num_positions = len(target)
    num_chunks = -(-num_positions * projection.kernel.shape[0] // CHUNK_LOGITS)
    size = -(-num_positions // num_chunks)
    fill = num_chunks * size - num_positions

    def cut(leaf):
        padded = jnp.pad(leaf, [(0, fill)] + [(0, 0)] * (leaf.ndim - 1))
        return padded.reshape(num_chunks, size, *leaf.shape[1:])

    return cut(features), cut(target), cut(mask)
