"""The likeliest next pieces of hypotheses: the product with the vocabulary, and the best of it.

This is most of the arithmetic of a search.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from nmt.models.linear import matmul
from nmt.models.seq2seq import Projection

Array = jax.Array
LOWEST = jnp.finfo(jnp.float32).min
BLOCK = 128  # vocabulary rows whose maximum is looked at before they are


class Output(NamedTuple):
    """A projection as search uses it, made once before its loop.

    Attributes:
      kernel: (E, V) in the compute type: CPUs multiply bfloat16 fast in this order alone.
      bias: (V,); the lowest number for padding rows, which count in no softmax.
      barred: (V,), -inf for what is never produced, though it may count in the softmax; else 0.
      precision: the compute type.
      pieces: (V,), which piece each column stands for.
    """

    kernel: Array
    bias: Array
    barred: Array
    precision: str
    pieces: Array


class Continuations(NamedTuple):
    """The best next pieces of each hypothesis, best first; leaves (..., k).

    Attributes:
      pieces: by id.
      log_probs: of the piece alone.
    """

    pieces: Array
    log_probs: Array


def output_of(
    projection: Projection,
    bos_id: int,
    pad_id: int,
    pieces: Array | None = None,
    *,
    forbidden_id: int | None = None,
) -> Output:
    """Prepares a projection; BOS and padding are never produced.

    Args:
      projection: of the whole vocabulary.
      bos_id, pad_id: special pieces.
      pieces: (U,), of a shortlist, and padding; None for all.
      forbidden_id: one more piece that is never produced.
    """
    kernel, bias = projection.kernel, projection.bias
    if pieces is None:
        pieces = jnp.arange(len(kernel))
    else:
        kernel, bias = kernel[pieces], bias[pieces]
    is_real = pieces < projection.size
    is_barred = ~is_real | (pieces == bos_id) | (pieces == pad_id)
    if forbidden_id is not None:
        is_barred |= pieces == forbidden_id
    return Output(
        kernel.T.astype(projection.precision),
        jnp.where(is_real, bias, LOWEST),
        jnp.where(is_barred, -jnp.inf, 0.0),
        projection.precision,
        pieces,
    )


def best_continuations(
    features: Array,
    is_last: Array,
    allowed: Array | None = None,
    *,
    output: Output,
    num_pieces: int,
    eos_id: int,
) -> Continuations:
    """The best next pieces of hypotheses, or EOS alone where no more than that has room.

    The best k are found among the logits, so that log-softmax is taken of those only.

    Args:
      features: (R, E).
      is_last: (R,), True where only EOS may follow.
      allowed: (R, U), the shortlist of each, which log_probs are of; None for all.
      output: of `output_of`.
      num_pieces: k.
      eos_id: special piece.
    Returns:
      (R, k); log_prob is -inf where there is no such piece.
    """
    logits = matmul(features, output.kernel, output.precision) + output.bias
    barred = output.barred
    if allowed is not None:
        logits = jnp.where(allowed, logits, LOWEST)
        barred = jnp.where(allowed, barred, -jnp.inf)
    best, places = best_pieces(logits + barred, num_pieces)
    eos = logits[:, jnp.argmax(output.pieces == eos_id), None]
    best = jnp.where(is_last[:, None], jnp.where(jnp.arange(num_pieces) > 0, -jnp.inf, eos), best)
    pieces = jnp.where(is_last[:, None], eos_id, output.pieces[places])
    return Continuations(pieces, best - jax.nn.logsumexp(logits, axis=-1, keepdims=True))


def best_pieces(logits: Array, num_pieces: int) -> tuple[Array, Array]:
    """lax.top_k over the vocabulary, (..., V) -> values and pieces (..., num_pieces), best first.

    The best k lie in the k blocks with the highest maxima, so only these are sorted: on CPU four
    times as fast for 8000 pieces. Blocks keep their order, so that ties go to the lower piece.
    """
    num_blocks, rest = divmod(logits.shape[-1], BLOCK)
    if rest or num_blocks <= num_pieces:
        return jax.lax.top_k(logits, num_pieces)
    blocks = logits.reshape(*logits.shape[:-1], num_blocks, BLOCK)
    chosen = jnp.sort(jax.lax.top_k(blocks.max(axis=-1), num_pieces)[1])  # ..., k
    rows = jnp.take_along_axis(blocks, chosen[..., None], axis=-2)  # ..., k, BLOCK
    best, places = jax.lax.top_k(rows.reshape(*rows.shape[:-2], -1), num_pieces)
    return best, jnp.take_along_axis(chosen, places // BLOCK, axis=-1) * BLOCK + places % BLOCK
