"""The contract that search, loss and alignment know of every model, and log-probabilities.

memory = model.encode(source, source_mask)                       once per sentence
state  = model.init_state(memory, num_hypotheses, max_length)    leaves (B, K, ...)
state, features, alignment = model.step(state, memory, piece, position)
decoded = model(source, source_mask, target_in)                  all positions, teacher-forced
alignments = model.align(source, source_mask, target_in)         those of every layer and head
model.for_steps()                                                a model that only steps
log_probs = log_probs_from_features(features, model.projection())
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from nmt.models.by_eigen import num_columns
from nmt.models.linear import matmul

Array = jax.Array
VOCABULARY_MULTIPLE = 128  # rows come in such blocks, to be sharded and to fill whole tiles


class Decoded(NamedTuple):
    """What the teacher-forced pass gives.

    Attributes:
      features: (B, T, E), before the vocabulary projection.
      alignment: (B, T, S), a probability over source positions; None without attention.
    """

    features: Array
    alignment: Array | None


class CrossAttentions(NamedTuple):
    """What attends to the source in a model, of which `align` gives every layer and head.

    Row i of an alignment is made while piece i - 1 is read, and piece i is what comes of it.

    Attributes:
      num_layers, num_heads: how many there are.
      layer, head: whose alignment `step` and the teacher-forced pass give; without a head it is
        the mean of the layer's heads.
      rows_to_read: row i + rows_to_read is the first whose query has read target piece i. It is 1,
        or 2 where the decoder attends before it reads.
    """

    num_layers: int
    num_heads: int
    layer: int
    head: int | None
    rows_to_read: int


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["kernel", "bias"],
    meta_fields=["size", "precision"],
)
@dataclass(frozen=True)
class Projection:
    """The vocabulary matrix that turns features into logits.

    Attributes:
      kernel: (V, E), with V padded to an odd multiple of 128 rows.
      bias: (V,).
      size: pieces in the real vocabulary; rows from here on are padding.
      precision: the compute type of the product, "float32" or "bfloat16".
    """

    kernel: Array
    bias: Array
    size: int
    precision: str


class DecoderState:
    """What hypotheses carry between steps: a pytree whose leaves are (B, K, ...).

    A class that has other leaves, (B, ...), says so, and how it reorders and grows them.
    """

    @property
    def is_by_hypothesis(self) -> bool:
        """Whether all leaves are (B, K, ...): one hypothesis can be stepped without the others."""
        return True

    def reorder(self, parents: Array) -> "DecoderState":
        """Lets hypothesis k go on from hypothesis parents[b, k]; parents (B, K)."""
        return jax.tree.map(lambda leaf: gather_hypotheses(leaf, parents), self)

    def grow(self, max_length: int) -> "DecoderState":
        """Makes room for `max_length` target positions; a state of fixed size gives itself."""
        return self


class Seq2Seq(Protocol):
    """Every model.

    Masks are True on real positions, of which each row has at least one. Dropout takes a key of
    each sentence, (B,), see `nmt.models.dropout`.
    """

    @property
    def cross_attentions(self) -> CrossAttentions | None:
        """What attends to the source; None without attention."""

    def encode(
        self, source: Array, source_mask: Array, *, dropout_keys: Array | None = None
    ) -> Any:
        """source (B, S), source_mask (B, S) -> memory, a pytree with leaves (B, ...).

        A leaf has three axes or more, (B, ..., S, d), if and only if it holds something of each
        source position; saliency finds these by that.
        """

    def init_state(self, memory: Any, num_hypotheses: int, max_length: int) -> DecoderState:
        """The state before the first target position, the same for each hypothesis."""

    def step(
        self, state: DecoderState, memory: Any, piece: Array, position: Array
    ) -> tuple[DecoderState, Array, Array | None]:
        """Reads one piece per hypothesis.

        Args:
          state: leaves (B, K, ...).
          memory: of `encode`.
          piece: (B, K), the piece before: BOS at position 0.
          position: (), the target position that `piece` is the input of, of all hypotheses.
        Returns:
          state, features (B, K, E) and alignment (B, K, S) or None.
        """

    def __call__(
        self,
        source: Array,
        source_mask: Array,
        target_in: Array,
        *,
        dropout_keys: Array | None = None,
    ) -> Decoded:
        """Teacher-forced: source (B, S), source_mask (B, S), target_in (B, T) -> Decoded."""

    def align(self, source: Array, source_mask: Array, target_in: Array) -> Array | None:
        """The alignment of every layer and head, (B, layers, N, T, S); None without attention."""

    def projection(self) -> Projection:
        """The vocabulary projection; the tied embedding where tied."""

    def for_steps(self) -> "Seq2Seq":
        """The same model for `init_state` and many calls of `step`, good for nothing else.

        It holds what steps need not make again. To make it may take as long as V steps, so it is
        made once for many batches.
        """


def padded_size(size: int) -> int:
    """Rows of an embedding or projection for a vocabulary of `size` pieces, as CPUs are fast at."""
    return num_columns(size, VOCABULARY_MULTIPLE)


def choose_alignment(alignments: Any, layer: int | Array, head: int | Array | None) -> Any:
    """(B, layers, N, T, S), jax or numpy -> that of a head, or the mean of a layer's, (B, T, S)."""
    of_layer = alignments[:, layer]
    return of_layer.mean(axis=1) if head is None else of_layer[:, head]


def gather_hypotheses(leaf: Array, parents: Array) -> Array:
    """leaf (B, K, ...), parents (B, J) -> (B, J, ...), leaf[b, parents[b, j]]."""
    if leaf.shape[1] == parents.shape[1] == 1:
        return leaf  # a lone hypothesis can only go on from itself
    indices = parents.reshape(*parents.shape, *[1] * (leaf.ndim - 2))
    return jnp.take_along_axis(leaf, indices, axis=1)


def logits_from_features(features: Array, projection: Projection) -> Array:
    """features (..., E) -> logits (..., V) in float32; padding rows hold the lowest number."""
    real = jnp.arange(projection.kernel.shape[0]) < projection.size
    bias = jnp.where(real, projection.bias, jnp.finfo(jnp.float32).min)  # outweighs all products
    return matmul(features, projection.kernel.T, projection.precision) + bias


def log_probs_from_features(features: Array, projection: Projection) -> Array:
    """features (..., E) -> log-softmax over the real vocabulary, (..., V)."""
    return jax.nn.log_softmax(logits_from_features(features, projection))


def log_probs_of_pieces(logits: Array, pieces: Array) -> Array:
    """logits (..., V), pieces (...) -> the log-probability of each piece, (...)."""
    chosen = jnp.take_along_axis(logits, pieces[..., None], axis=-1)[..., 0]
    return chosen - jax.nn.logsumexp(logits, axis=-1)
