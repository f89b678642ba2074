"""The likeliest next pieces of hypotheses: the product with the vocabulary, and the best of it.

This is most of the arithmetic of a search.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nmt.models import kernel_first
from nmt.models.biased_kernel import (
    LOWEST,
    biased_kernel,
    logits_from_biased,
    transposed_biased_kernel,
    with_ones,
)
from nmt.models.linear import row_by_row
from nmt.models.seq2seq import Projection

Array = jax.Array
BLOCK = 32  # vocabulary rows whose maximum is looked at before they are


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["kernel", "barred", "pieces"],
    meta_fields=["num_barred", "precision", "is_transposed"],
)
@dataclass(frozen=True)
class Output:
    """A projection as search uses it, made once for all batches.

    Attributes:
      kernel: of `biased_kernel`, (E', V), or of `transposed_biased_kernel`.
      barred: (V,), -inf for what is never produced, though it may count in the softmax; else 0.
        BOS and padding are never.
      num_barred: the most of them that may be among the best, as their logits are not LOWEST.
      precision: the compute type.
      is_transposed: whether it is the latter, which `nmt.models.kernel_first` multiplies.
      pieces: (V,), which piece each of V stands for.
    """

    kernel: Array
    barred: Array
    num_barred: int
    precision: str
    is_transposed: bool
    pieces: Array

    def logits(self, features: Array) -> Array:
        """features (..., E) -> (..., V)."""
        if self.is_transposed:
            return kernel_first.matmul(with_ones(features), self.kernel)
        return logits_from_biased(features, self.kernel, self.precision)

    def without(self, piece: int) -> "Output":
        """One that never produces another piece, either."""
        is_barred = self.pieces == piece
        return replace(
            self,
            barred=jnp.where(is_barred, -jnp.inf, self.barred),
            num_barred=self.num_barred + 1,
        )

    def only(self, pieces: Array) -> "Output":
        """That of a shortlist: pieces (U,), and padding."""
        kernel = self.kernel[pieces] if self.is_transposed else self.kernel[:, pieces]
        return replace(self, kernel=kernel, barred=self.barred[pieces], pieces=pieces)


class Continuations(NamedTuple):
    """The best next pieces of each hypothesis, best first; leaves (..., k).

    Attributes:
      pieces: by id.
      log_probs: of the piece alone.
    """

    pieces: Array
    log_probs: Array


def output_of(projection: Projection, bos_id: int, pad_id: int) -> Output:
    """Prepares a projection of the whole vocabulary, which has these special pieces."""
    pieces = jnp.arange(len(projection.kernel))
    is_barred = (pieces >= projection.size) | (pieces == bos_id) | (pieces == pad_id)
    precision = projection.precision
    is_transposed = kernel_first.pays(precision)
    return Output(
        transposed_biased_kernel(projection) if is_transposed else biased_kernel(projection),
        barred=jnp.where(is_barred, -jnp.inf, 0.0),
        num_barred=2,
        precision=precision,
        is_transposed=is_transposed,
        pieces=pieces,
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
    # Keeps XLA from making the features where it appends ones to them: it would not vectorise that.
    features = row_by_row(features)
    logits = output.logits(features)
    if allowed is not None:
        logits = jnp.where(allowed, logits, LOWEST)
    # Enough of the best that the wanted ones are among them, whichever of them are barred.
    highest, places = best_pieces(logits, min(num_pieces + output.num_barred, logits.shape[1]))
    # Without the barrier XLA finds the greatest anew for each exponential, and sorts to find it.
    highest = jax.lax.optimization_barrier(highest)
    top = highest[:, :1]
    legal = highest + output.barred[places]
    if allowed is not None:
        legal = jnp.where(jnp.take_along_axis(allowed, places, axis=1), legal, -jnp.inf)
    best, chosen = jax.lax.top_k(legal, num_pieces)
    pieces = output.pieces[jnp.take_along_axis(places, chosen, axis=1)]
    eos = logits[:, jnp.argmax(output.pieces == eos_id), None]
    eos_alone = jnp.where(jnp.arange(num_pieces) > 0, -jnp.inf, eos)
    best = jnp.where(is_last[:, None], eos_alone, best)
    pieces = jnp.where(is_last[:, None], eos_id, pieces)
    log_sum = top + jnp.log(jnp.exp(logits - top).sum(axis=-1, keepdims=True))
    return Continuations(pieces, best - log_sum)


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
