"""The vocabulary's kernel with the bias as rows of it, so that one product makes the logits.

    [f; 1 ... 1] [W; b; 0 ...]  =  f W + b

A pass over the logits to add the bias costs a CPU a tenth of the product or, of small features, a
third of it. Where many positions meet the vocabulary in turn, the kernel is made before the loop.
"""

import jax
import jax.numpy as jnp

from nmt.models import by_eigen
from nmt.models.linear import matmul, row_by_row
from nmt.models.seq2seq import Projection

Array = jax.Array
LOWEST = -1e30  # a logit that outweighs all others and counts in no softmax
SUMMANDS = {"float32": 1, "bfloat16": 3}  # bfloat16 has a third of the digits
EVEN = 8  # GPUs copy a bfloat16 kernel first, unless its height is a multiple of this


def num_bias_rows(features_dim: int) -> int:
    """Rows to append: the first of them hold the bias, the rest fill up to a multiple of EVEN."""
    most = max(SUMMANDS.values())
    return most + -(features_dim + most) % EVEN


def biased_kernel(projection: Projection) -> Array:
    """(E', V) in the compute type; the logits of padding rows are LOWEST.

    E' is E + `num_bias_rows` of it. It is laid out row by row, in which order alone most CPUs
    multiply bfloat16 fast.
    """
    kernel = jax.lax.optimization_barrier(transposed_biased_kernel(projection))
    return row_by_row(kernel.T)  # at once, it takes thrice the time


def transposed_biased_kernel(projection: Projection) -> Array:
    """The same as (V, E')."""
    is_real = jnp.arange(len(projection.kernel)) < projection.size
    bias = jnp.where(is_real, projection.bias, LOWEST)
    num_rows = num_bias_rows(projection.kernel.shape[1])
    summands = _summands(bias, num_rows, projection.precision)
    return jnp.concatenate([projection.kernel.astype(projection.precision), summands], axis=1)


def with_ones(features: Array) -> Array:
    """(..., E) -> (..., E')."""
    num_rows = num_bias_rows(features.shape[-1])
    ones = jnp.ones((*features.shape[:-1], num_rows), features.dtype)
    return jnp.concatenate([features, ones], axis=-1)


def logits_from_biased(features: Array, kernel: Array, precision: str) -> Array:
    """features (..., E), the kernel of `biased_kernel` -> logits (..., V) in float32."""
    features = with_ones(features)
    if precision == "bfloat16":
        return matmul(features, kernel, precision)
    return by_eigen.matmul(features, kernel)


def _summands(bias: Array, num_rows: int, precision: str) -> Array:
    """(V,) -> (V, num_rows) in the compute type, whose sum is the bias as float32 has it."""
    columns, rest = [], bias
    for _ in range(SUMMANDS[precision]):
        columns.append(rest.astype(precision))
        rest = rest - columns[-1].astype(jnp.float32)
    columns += [jnp.zeros_like(columns[0])] * (num_rows - len(columns))
    return jnp.stack(columns, axis=1)
