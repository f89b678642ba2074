"""Kernels as the steps of a search use them, made once before its loop.

XLA moves what does not change out of a loop, but not out of a branch in it.
"""

import math
from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models import by_eigen
from nmt.models.linear import WIDE, dot_general

Array = jax.Array


def lay_out_kernels(model: nnx.Module) -> None:
    """Has the layers of a model, none of them a stack, multiply as steps are fastest.

    In bfloat16 they then hold their kernels in it. In float32 wide kernels are multiplied by Eigen,
    by which a GRU is searched 1.1 to 1.3 times as fast. The model is good for no gradient any more.
    """
    for _, module in nnx.iter_modules(model):
        if not isinstance(module, nnx.LinearGeneral):
            continue
        kernel = module.kernel[...]
        if module.dot_general is dot_general("bfloat16"):
            module.kernel = nnx.Param(kernel.astype(jnp.bfloat16))
            module.promote_dtype = _as_they_are
        elif module.dot_general is dot_general("float32") and math.prod(kernel.shape[1:]) >= WIDE:
            flat = kernel.reshape(len(kernel), -1)
            module.kernel = nnx.Param(by_eigen.with_padding(flat))
            module.dot_general = _by_eigen(kernel.shape[1:])


@cache  # one function for each shape: so that equal models have equal graphs
def _by_eigen(out_dims: tuple[int, ...]) -> Callable[..., Array]:
    """As `nmt.models.linear.dot_general`, for a kernel (I, `num_columns` of all out_dims)."""

    def contract(inputs, kernel, dimension_numbers, **_):
        assert dimension_numbers == (((inputs.ndim - 1,), (0,)), ((), ()))
        out = by_eigen.matmul(inputs, kernel)[..., : math.prod(out_dims)]
        return out.reshape(*inputs.shape[:-1], *out_dims)

    return contract


def _as_they_are(arrays, **_):
    """The `promote_dtype` of layers whose operands need not be of one type."""
    return arrays
