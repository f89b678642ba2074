"""Products of float32 by Eigen, the faster of two libraries for wide kernels.

XLA's CPU backend gives products that sum over the rows of both operands to Eigen, all others to
YNNPACK. Eigen goes down the rows of a kernel, some columns at a time. Where rows lie a power of two
apart, a CPU keeps them in few places of its cache, and Eigen takes up to twice as long: so kernels
are widened with padding.

Where an Intel processor multiplies tiles, YNNPACK is the faster one for few rows, and for many rows
where a kernel is no wider than `nmt.models.linear.WIDE`.

What is multiplied in bfloat16 is not of this kind, see `nmt.models.linear`.
"""

import jax
import jax.numpy as jnp

from nmt.models.linear import WIDE, einsum, has_tiles, row_by_row

Array = jax.Array
COLUMNS = 32  # a kernel of a layer has an odd multiple of so many, the vocabulary's of 128
FEW = 32  # rows


def least_columns() -> int:
    """Of the kernels of layers that are to be multiplied so on this machine."""
    return WIDE + 1 if has_tiles() else WIDE


def num_columns(size: int, multiple: int = COLUMNS) -> int:
    """The width of a kernel of so many columns: padded to the next odd multiple."""
    return (-(-size // multiple) | 1) * multiple


def with_padding(kernel: Array) -> Array:
    """kernel (I, O) -> (I, `num_columns` of O), zero at the end."""
    width = kernel.shape[1]
    return jnp.pad(kernel, [(0, 0), (0, num_columns(width) - width)])


def matmul(inputs: Array, kernel: Array) -> Array:
    """inputs (..., I), kernel (I, O), best with `num_columns` -> (..., O)."""
    rows = inputs.reshape(-1, len(kernel))  # R I
    if len(rows) <= FEW and has_tiles():
        product = einsum("pi,io->po", rows, kernel, "float32")
    else:
        product = einsum("ip,io->po", row_by_row(rows.T), kernel, "float32")
    return product.reshape(*inputs.shape[:-1], -1)
