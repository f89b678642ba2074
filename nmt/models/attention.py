"""The softmax of every attention, and scaled dot-product attention (Vaswani et al. 2017).

It attends from Q queries a sentence to its S source positions: Q is the number of hypotheses in
search and of target positions in a teacher-forced pass. How recurrent decoders attend is in
`nmt.models.recurrent_attention`.
"""

import jax
import jax.numpy as jnp

from nmt.models.dropout import dropout
from nmt.models.linear import einsum

Array = jax.Array


def masked_softmax(energies: Array, mask: Array) -> Array:
    """Softmax over the last axis, exactly zero where `mask` (broadcast) is False.

    A row without any True position comes out uniform: masks must have one.
    """
    return jax.nn.softmax(jnp.where(mask, energies, jnp.finfo(jnp.float32).min))


def dot_product_attention(
    queries: Array,
    keys: Array,
    values: Array,
    mask: Array,
    precision: str,
    *,
    rate: float = 0.0,
    dropout_keys: Array | None = None,
) -> tuple[Array, Array]:
    """softmax(q k / sqrt(d)) v: Vaswani et al. (2017), equation 1, for every head.

    Written out, because `jax.nn.dot_product_attention` neither returns the weights nor drops out;
    `fused_attention` is for where none of that is wanted.
    Heads come before positions, as matmuls want them: else every one would move its operands first.

    Args:
      queries: (B, N, Q, d).
      keys: (B, N, S, d).
      values: (B, N, S, d).
      mask: broadcast to (B, N, Q, S), True where a query may look.
      precision: the compute type of the products.
      rate: dropout of the weights.
      dropout_keys: None for no dropout.
    Returns:
      context: (B, N, Q, d).
      alignment: (B, N, Q, S), before dropout.
    """
    energies = einsum("bnqd,bnsd->bnqs", queries, keys, precision) / jnp.sqrt(queries.shape[-1])
    alignment = masked_softmax(energies, mask)  # B N Q S
    weights = dropout(alignment, rate, dropout_keys)
    return einsum("bnqs,bnsd->bnqd", weights, values, precision), alignment


def fused_attention(
    queries: Array,
    keys: Array,
    values: Array,
    lengths: Array | None,
    *,
    causal: bool,
    implementation: str,
) -> Array:
    """The context of `dot_product_attention` alone, in bfloat16, by `jax.nn`.

    On an NVIDIA GPU that is one program of cuDNN, which never stores the weights: Dao et al.
    (2022), https://arxiv.org/abs/2205.14135.

    Args:
      queries, keys, values: (B, N, T, d).
      lengths: (B,), the positions of each sentence that may be looked at, the first ones; None for
        all of them.
      causal: whether a query sees no position behind its own.
      implementation: "cudnn" or "xla".
    Returns:
      context: (B, N, T, d), float32.
    """
    operands = (array.swapaxes(1, 2).astype(jnp.bfloat16) for array in (queries, keys, values))
    context = jax.nn.dot_product_attention(
        *operands,
        is_causal=causal,
        key_value_seq_lengths=lengths,
        implementation=implementation,
    )
    return context.swapaxes(1, 2).astype(jnp.float32)
