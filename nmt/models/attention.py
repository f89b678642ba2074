"""Additive attention (Bahdanau et al. 2015) and scaled dot-product attention (Vaswani et al. 2017).

Each attends from Q queries a sentence to its S source positions: Q is the number of hypotheses in
search and of target positions in a teacher-forced pass.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models.dropout import dropout
from nmt.models.linear import einsum, linear

Array = jax.Array


def masked_softmax(energies: Array, mask: Array) -> Array:
    """Softmax over the last axis, exactly zero where `mask` (broadcast) is False.

    A row without any True position comes out uniform: masks must have one.
    """
    return jax.nn.softmax(jnp.where(mask, energies, jnp.finfo(jnp.float32).min))


class AdditiveAttention(nnx.Module):
    """e_ij = v_a . tanh(W_a s_i + U_a h_j + b): Bahdanau et al. (2015), appendix A.1.2.

    The appendix names the query s_{i-1}; what the query is, is the decoder's choice. It leaves out
    all biases "to increase the readability" of its equations; here U_a holds this one.
    """

    def __init__(
        self,
        state_dim: int,
        annotation_dim: int,
        alignment_dim: int,
        *,
        precision: str,
        rngs: nnx.Rngs,
    ):
        # The paper draws W_a and U_a from N(0, 0.001^2) and sets v_a to zero, for which e_ij and
        # the gradient of W_a and U_a start at zero. Glorot's scale starts learning sooner.
        self.W_a = linear(state_dim, alignment_dim, precision=precision, rngs=rngs, use_bias=False)
        self.U_a = linear(annotation_dim, alignment_dim, precision=precision, rngs=rngs)
        self.v_a = nnx.Param(
            nnx.initializers.glorot_uniform()(rngs.params(), (alignment_dim, 1))[:, 0]
        )

    def keys(self, annotations: Array) -> Array:
        """U_a h_j + b for all source positions: annotations (B, S, M) -> (B, S, A)."""
        return self.U_a(annotations)

    def __call__(
        self, queries: Array, keys: Array, annotations: Array, source_mask: Array
    ) -> tuple[Array, Array]:
        """Attends from each query to every source position.

        Args:
          queries: s_i, (B, Q, H).
          keys: U_a h_j + b, (B, S, A); computed once per sentence.
          annotations: h_j, (B, S, M).
          source_mask: (B, S), True on real positions, at least one in every row.
        Returns:
          context: c_i = sum_j alpha_ij h_j, (B, Q, M).
          alignment: alpha_i = softmax_j(e_ij), (B, Q, S), zero on padding.
        """
        energies = _additive_energies(self.W_a(queries), keys, self.v_a[...])  # B Q S
        alignment = masked_softmax(energies, source_mask[:, None])  # B Q S
        # Bound by memory, not arithmetic: rounded operands would not pay.
        return einsum("bqs,bsm->bqm", alignment, annotations, "float32"), alignment


@partial(jax.checkpoint, prevent_cse=False)  # kept for every position they would be (B, T, S, A)
def _additive_energies(queries: Array, keys: Array, weights: Array) -> Array:
    """queries W_a s_i (B, Q, A), keys (B, S, A), weights v_a (A,) -> energies (B, Q, S)."""
    activations = jnp.tanh(queries[:, :, None] + keys[:, None])  # B Q S A
    # Bound by memory, not arithmetic: rounded operands would not pay.
    return einsum("bqsa,a->bqs", activations, weights, "float32")


def dot_product_attention(
    queries: Array,
    keys: Array,
    values: Array,
    mask: Array,
    precision: str,
    *,
    rate: float = 0.0,
    dropout_key: Array | None = None,
) -> tuple[Array, Array]:
    """softmax(q k / sqrt(d)) v: Vaswani et al. (2017), equation 1, for every head.

    Written out, because `jax.nn.dot_product_attention` neither returns the weights nor drops out.
    Heads come before positions, as matmuls want them: else every one would move its operands first.

    Args:
      queries: (B, N, Q, d).
      keys: (B, N, S, d).
      values: (B, N, S, d).
      mask: broadcast to (B, N, Q, S), True where a query may look.
      precision: the compute type of the products.
      rate: dropout of the weights.
      dropout_key: None for no dropout.
    Returns:
      context: (B, N, Q, d).
      alignment: (B, N, Q, S), before dropout.
    """
    energies = einsum("bnqd,bnsd->bnqs", queries, keys, precision) / jnp.sqrt(queries.shape[-1])
    alignment = masked_softmax(energies, mask)  # B N Q S
    weights = dropout(alignment, rate, dropout_key)
    return einsum("bnqs,bnsd->bnqd", weights, values, precision), alignment
