"""Products of bfloat16 with the transposed kernel, for CPUs that multiply tiles.

Intel's AMX multiplies tiles of 16 rows. YNNPACK, to which XLA's CPU backend leaves these products,
is slow where few rows meet a kernel that is the second one, as if it brought that into the order
of the tiles first. So for few rows the kernel is the first operand, the rows are the second, and
the small result is turned. Many rows come first; even then the kernel is multiplied faster
transposed. docs/speed.md has the times.

How other CPUs multiply bfloat16 is told in `nmt.models.linear`.
"""

import jax
import jax.numpy as jnp

from nmt.models.linear import einsum, has_tiles, row_by_row

Array = jax.Array
# The kernel is first where it has so many times more rows than those that meet it, and where the
# result has so many numbers at most, 1 MiB, that it is turned within a processor's cache.
TIMES_MORE = 8
LARGEST = 2**18


def pays(precision: str) -> bool:
    """Whether kernels of a compute type are to be multiplied so on this machine."""
    return precision == "bfloat16" and has_tiles()


def transposed(kernel: Array) -> Array:
    """kernel (I, O) -> (O, I), in bfloat16."""
    return row_by_row(kernel.astype(jnp.bfloat16).T)


def matmul(inputs: Array, kernel: Array) -> Array:
    """inputs (..., I), kernel (O, I) of `transposed` -> (..., O) in float32."""
    width, height = kernel.shape
    rows = inputs.reshape(-1, height)
    if TIMES_MORE * len(rows) <= height and len(rows) * width <= LARGEST:
        flat = row_by_row(row_by_row(einsum("oi,pi->op", kernel, rows, "bfloat16")).T)
    else:
        flat = einsum("pi,oi->po", rows, kernel, "bfloat16")
    return flat.reshape(*inputs.shape[:-1], width)
