"""The one matmul: operands in the compute type, accumulation in float32, its gradient likewise.

With precision "bfloat16" both operands are rounded to bfloat16 and their products are summed in
float32, in the backward pass as in the forward one. JAX's own rule for the gradient of such a
product would round the gradient of the weights to bfloat16 and feed the matmul one float32
operand, which is exact where it need not be and inexact where it should not.

With float32 the gradients are JAX's own, in the form that XLA's CPU backend is fast at.
"""

from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax.experimental.layout import Layout, with_layout_constraint

from nmt.devices.processor import multiplies_tiles

Array = jax.Array
WIDE = 512  # columns of a kernel from which a transposed operand pays, see `_product`


def einsum(equation: str, left: Array, right: Array, precision: str) -> Array:
    """`jnp.einsum` of two operands in a compute type.

    Args:
      equation: such as "bsm,mh->bsh"; every index of an operand is in the other one or in the
        result, and none is repeated.
      left, right: the operands, float32.
      precision: "float32" (exact also where the hardware has a shortcut) or "bfloat16".
    Returns:
      The product, float32.
    """
    if precision == "float32" and not left.ndim == right.ndim == 2:
        return _multiplied(equation, left, right)  # whose gradients are fast as JAX makes them
    return _einsum(equation, precision, left, right)


def matmul(inputs: Array, kernel: Array, precision: str) -> Array:
    """inputs (..., I), kernel (I, O) -> (..., O)."""
    flat = einsum("pi,io->po", inputs.reshape(-1, inputs.shape[-1]), kernel, precision)
    return flat.reshape(*inputs.shape[:-1], kernel.shape[-1])


def rounded(inputs: Array, precision: str) -> Array:
    """What is left of float32 inputs as operands of a compute type, in float32."""
    return inputs if precision == "float32" else inputs.astype(jnp.bfloat16).astype(jnp.float32)


def has_tiles() -> bool:
    """Whether the devices are CPUs that multiply tiles, which have other forms that are fast."""
    return jax.default_backend() == "cpu" and multiplies_tiles()


def row_by_row(matrix: Array) -> Array:
    """The matrix, row by row in memory: XLA folds no transposition of it into a product."""
    return with_layout_constraint(matrix, Layout((0, 1)))


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _einsum(equation, precision, left, right):
    return _forward(equation, precision, left, right)[0]


def _forward(equation, precision, left, right):
    if precision == "float32":
        return _multiplied(equation, left, right), (left, right)
    left, right = left.astype(precision), right.astype(precision)
    left_indices, right_indices, result = _parsed(equation)
    return _product(result, (left_indices, left), (right_indices, right)), (left, right)


def _backward(equation, precision, operands, gradient):
    left_indices, right_indices, result = _parsed(equation)
    left, right = (left_indices, operands[0]), (right_indices, operands[1])
    gradient = result, gradient.astype(precision)
    return _product(left_indices, gradient, right), _product(right_indices, left, gradient)


def _parsed(equation):
    indices, result = equation.split("->")
    return *indices.split(","), result


def _product(result, first, second):
    """The product of two (indices, operand) in the form that XLA's CPU backend is fast at.

    It multiplies bfloat16 into float32 only where the rows of the result come from the first
    operand and what is summed over comes last in it; all else it multiplies as float32, at half the
    speed. So the first of two matrices is laid out anew where need be, which costs far less. Of
    float32 it gives products that sum over the rows of both operands, such as the gradients of
    weights, to Eigen, the others to YNNPACK, which makes those of a kernel of 512 rows and columns
    or more 1.2 to 1.6 times as fast; for narrow ones, laying out the operand takes what is gained.
    """
    rows = next(index for index in result if index not in first[0] or index not in second[0])
    if rows not in first[0]:
        first, second = second, first
    (left_indices, left), (right_indices, right) = first, second
    pays = left.dtype == jnp.bfloat16 or right.shape[-1] >= WIDE
    turned = pays and left.ndim == 2 and left_indices[0] not in result
    if turned:
        left, left_indices = row_by_row(jnp.transpose(left)), left_indices[::-1]
    product = _multiplied(f"{left_indices},{right_indices}->{result}", left, right)
    return row_by_row(product) if turned else product


def _multiplied(equation, left, right):
    """Operands of one type, as they are, into float32."""
    exact = jax.lax.Precision.HIGHEST if left.dtype == jnp.float32 else None
    return jnp.einsum(equation, left, right, precision=exact, preferred_element_type=jnp.float32)


_einsum.defvjp(_forward, _backward)


@cache  # one function for each precision: so that equal models have equal graphs
def dot_general(precision: str) -> Callable[..., Array]:
    """`matmul` in the form that `nnx.Linear` and `nnx.LinearGeneral` take as `dot_general`."""

    def contract(inputs, kernel, dimension_numbers, **_):
        assert dimension_numbers == (((inputs.ndim - 1,), (0,)), ((), ()))
        out = matmul(inputs, kernel.reshape(len(kernel), -1), precision)
        return out.reshape(*inputs.shape[:-1], *kernel.shape[1:])

    return contract


def linear(
    in_dim: int,
    out_dims: int | tuple[int, ...],
    *,
    precision: str,
    rngs: nnx.Rngs,
    use_bias: bool = True,
    blocks: int = 1,
    kernel_init: nnx.Initializer | None = None,
) -> nnx.LinearGeneral:
    """A layer (..., in_dim) -> (..., *out_dims) that multiplies in the compute type.

    Its kernel is (in_dim, *out_dims). It is initialised as `blocks` matrices side by side, so
    that gates or queries, keys and values held in one kernel start as if they were separate;
    Glorot and Bengio's (2010) uniform distribution is the default.
    """
    init = kernel_init or nnx.initializers.glorot_uniform()

    def blockwise_init(key, shape, dtype):
        block = (shape[0], shape[1] // blocks)
        return jnp.concatenate([init(k, block, dtype) for k in jax.random.split(key, blocks)], 1)

    return nnx.LinearGeneral(
        in_dim,
        out_dims,
        use_bias=use_bias,
        kernel_init=blockwise_init,
        dot_general=dot_general(precision),
        rngs=rngs,
    )
