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


class _Vocabulary(NamedTuple):
    """What chunks read of a projection, made once: XLA does not move all of it out of a loop.

    Attributes:
      biased: of `biased_kernel`, (E', V).
      kernel: in the compute type, (V, E).
      bias: (V,).
      mean_row: the mean of the real rows of the kernel, whose logit is the mean logit; (E,).
      mean_bias: ().
      size: pieces in the real vocabulary.
      precision: the compute type.
    """

    biased: Array
    kernel: Array
    bias: Array
    mean_row: Array
    mean_bias: Array
    size: int
    precision: str

    @classmethod
    def of(cls, projection: Projection) -> "_Vocabulary":
        """That of a model."""
        kernel = projection.kernel.astype(projection.precision)
        real = kernel[: projection.size].astype(jnp.float32)
        return cls(
            biased_kernel(projection),
            kernel,
            projection.bias,
            real.mean(axis=0),
            projection.bias[: projection.size].mean(),
            projection.size,
            projection.precision,
        )


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _cross_entropy(positions, projection, label_smoothing):
    """-> loss, nll."""
    vocabulary = _Vocabulary.of(projection)

    def add(sums, chunk):
        losses, nlls, _ = _losses(chunk, vocabulary, label_smoothing)
        return (sums[0] + losses.sum(), sums[1] + nlls.sum()), None

    start = jnp.zeros(()), jnp.zeros(())
    return scan_real(add, start, None, positions, CHUNK_POSITIONS)[0]


def _forward(positions, projection, label_smoothing):
    """As `_cross_entropy`, and the gradient with it."""
    vocabulary = _Vocabulary.of(projection)
    product = partial(einsum, precision=projection.precision)

    def add(sums, chunk):
        losses, nlls, logits_gradient = _losses(chunk, vocabulary, label_smoothing)
        loss, nll, biased_gradient = sums
        features_gradient = product("pv,ve->pe", logits_gradient, vocabulary.kernel)
        biased_gradient += product("pe,pv->ev", with_ones(chunk.features), logits_gradient)
        return (loss + losses.sum(), nll + nlls.sum(), biased_gradient), features_gradient

    start = (
        jnp.zeros(()),
        jnp.zeros(()),
        jnp.zeros_like(vocabulary.biased, jnp.float32),  # E' V, in which form it is summed fastest
    )
    (loss, nll, biased_gradient), features_gradient = scan_real(
        add, start, jnp.zeros_like(positions.features), positions, CHUNK_POSITIONS
    )
    kernel, bias = jnp.split(biased_gradient, [positions.features.shape[1]])  # as in biased_kernel
    gradient = Projection(kernel.T, bias[0], projection.size, projection.precision)
    return (loss, nll), (features_gradient, gradient)


def _backward(label_smoothing, gradients, cotangents):
    loss_cotangent, _ = cotangents  # nll is reported, not minimised
    features, projection = jax.tree.map(lambda leaf: leaf * loss_cotangent, gradients)
    return Positions(features, None, None), projection


_cross_entropy.defvjp(_forward, _backward)


def _losses(positions, vocabulary, label_smoothing):
    """C positions -> losses, nlls (C,), d loss / d logits (C, V), all zero where masked.

    With V real pieces, d loss / d logits = softmax(logits) - (1 - e) onehot(target) - e / V.

    On a CPU each pass over the logits costs a hundredth of a product of theirs. Here are five: the
    product itself, the greatest, the exponentials, their sum, the gradient.
    """
    features, target, mask = positions
    logits = logits_from_biased(features, vocabulary.biased, vocabulary.precision)  # C V
    greatest = logits.max(axis=-1)  # C
    exps = jnp.exp(logits - greatest[:, None])  # C V, zero for padding rows
    total = _sum_of_rows(exps)
    log_sum = greatest + jnp.log(total)
    as_multiplied = rounded(features, vocabulary.precision)
    rows = jnp.take(vocabulary.kernel, target, axis=0)
    nlls = log_sum - (as_multiplied * rows).sum(axis=-1) - jnp.take(vocabulary.bias, target)
    mean_logits = (as_multiplied * vocabulary.mean_row).sum(axis=-1) + vocabulary.mean_bias
    losses = (1 - label_smoothing) * nlls + label_smoothing * (log_sum - mean_logits)
    pieces = jnp.arange(logits.shape[-1])
    smooth = jnp.where(pieces < vocabulary.size, label_smoothing / vocabulary.size, 0.0)  # V
    # By comparison, not by indexing: so the vocabulary may be spread over devices.
    wanted = jnp.where(pieces == target[:, None], 1 - label_smoothing, 0.0) + smooth
    gradient = exps * (mask / total)[:, None] - jnp.where(mask[:, None], wanted, 0.0)
    return jnp.where(mask, losses, 0.0), jnp.where(mask, nlls, 0.0), gradient


def _sum_of_rows(matrix):
    """(C, V) -> (C,). XLA's CPU backend adds up a row one by one, but 128 columns at a time."""
    return matrix.reshape(len(matrix), -1, VOCABULARY_MULTIPLE).sum(axis=1).sum(axis=-1)
