"""The compute type: what is multiplied in it, and how far gradients move."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nmt.models.linear import WIDE, dot_general, einsum, linear, matmul

EQUATIONS = {  # as the models use them
    "pi,io->po": ((5, 16), (16, 3)),
    "bqnd,bsnd->bnqs": ((2, 3, 2, 8), (2, 5, 2, 8)),
    "bnqs,bsnd->bqnd": ((2, 2, 3, 5), (2, 5, 2, 8)),
    "pv,pe->ve": ((7, 4), (7, 6)),
}
BFLOAT16_ROUNDING = 2.0**-8  # an operand's relative error is half of this at most
DOT = re.compile(r"stablehlo\.dot_general.*: \(tensor<(\S*)>, tensor<(\S*)>\) -> tensor<(\S*)>")


def operands(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def dot_types(function, *arguments):
    """The element types (left, right, result) of every product in the program."""
    text = jax.jit(function).lower(*arguments).as_text()
    return {tuple(t.split("x")[-1] for t in types) for types in DOT.findall(text)}


def rounded(x):
    """What is left of a float32 in bfloat16, as a float64."""
    return np.asarray(jnp.asarray(x, jnp.bfloat16), np.float64)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_float32_einsum_is_exact(equation):
    left, right = operands(EQUATIONS[equation])
    expected = np.einsum(equation, left.astype(np.float64), right.astype(np.float64))
    np.testing.assert_allclose(einsum(equation, left, right, "float32"), expected, atol=1e-5)


@pytest.mark.parametrize("columns", [3, WIDE])  # a wide kernel's gradient is multiplied otherwise
def test_float32_gradients_are_exact(columns):
    inputs, kernel, cotangent = operands([(20, 16), (16, columns), (20, columns)])
    _, gradient = jax.vjp(lambda *ab: einsum("pi,io->po", *ab, "float32"), inputs, kernel)
    of_inputs, of_kernel = gradient(cotangent)
    exact = [x.astype(np.float64) for x in (inputs, kernel, cotangent)]
    np.testing.assert_allclose(of_inputs, exact[2] @ exact[1].T, atol=1e-4)
    np.testing.assert_allclose(of_kernel, exact[0].T @ exact[2], atol=1e-4)


@pytest.mark.parametrize("columns, by_eigen", [(WIDE // 2, True), (WIDE, False)])
def test_library_that_makes_the_gradient_of_a_kernel(columns, by_eigen, optimized_compilation):
    """XLA's CPU backend leaves to Eigen what sums over the rows of both operands."""
    inputs, kernel = operands([(48, 32), (32, columns)])

    def loss(kernel):
        return jnp.sum(einsum("pi,io->po", inputs, kernel, "float32") ** 2)

    program = optimized_compilation(jax.grad(loss)).lower(kernel).compile().as_text()
    form = r" dot\(.*lhs_contracting_dims=\{(\d)\}, rhs_contracting_dims=\{(\d)\}"
    assert (("0", "0") in re.findall(form, program)) == by_eigen


@pytest.mark.parametrize("equation", EQUATIONS)
def test_bfloat16_einsum_rounds_the_operands_and_nothing_else(equation):
    left, right = operands(EQUATIONS[equation])
    product, gradient = jax.vjp(lambda *ab: einsum(equation, *ab, "bfloat16"), left, right)
    expected = np.einsum(equation, rounded(left), rounded(right))
    assert product.dtype == jnp.float32
    np.testing.assert_allclose(product, expected, atol=1e-5)

    (cotangent,) = operands([product.shape], seed=1)
    for ours, index in zip(gradient(cotangent), (0, 1), strict=True):
        # The gradient of a product is linear in the other operand: differentiate numerically
        # along every unit vector at once by contracting with the other operand.
        names, result = equation.split("->")
        wanted, other = names.split(",")[index], names.split(",")[1 - index]
        exact = np.einsum(
            f"{result},{other}->{wanted}", rounded(cotangent), rounded((left, right)[1 - index])
        )
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(ours, exact, atol=1e-5)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_bfloat16_gradients_are_those_of_float32_within_rounding(equation):
    left, right = operands(EQUATIONS[equation])

    def loss(left, right, precision):
        return jnp.sum(jnp.sin(einsum(equation, left, right, precision) / 8))

    for index in (0, 1):
        exact = jax.grad(loss, index)(left, right, "float32")
        ours = jax.grad(loss, index)(left, right, "bfloat16")
        np.testing.assert_allclose(ours, exact, atol=4 * BFLOAT16_ROUNDING * np.abs(exact).max())


def test_matmul_takes_any_leading_axes():
    inputs, kernel = operands([(2, 3, 4, 5), (5, 6)])
    for precision, atol in (("float32", 1e-5), ("bfloat16", 0.05)):
        ours = matmul(inputs, kernel, precision)
        np.testing.assert_allclose(ours, inputs @ kernel, atol=atol)


def test_program_multiplies_in_bfloat16_and_sums_in_float32_both_ways():
    layer = linear(16, (3, 4), precision="bfloat16", rngs=nnx.Rngs(0), blocks=3)
    graph, params = nnx.split(layer)
    (inputs,) = operands([(2, 5, 16)])

    def loss(params, inputs):
        return jnp.sum(nnx.merge(graph, params)(inputs) ** 2)

    assert dot_types(loss, params, inputs) == {("bf16", "bf16", "f32")}
    both_ways = jax.value_and_grad(loss, (0, 1))
    assert dot_types(both_ways, params, inputs) == {("bf16", "bf16", "f32")}


def test_backend_multiplies_what_was_rounded_both_ways(optimized_compilation):
    """XLA's CPU backend turns a product back to float32 where it has no code for its form."""
    if jax.default_backend() != "cpu":
        pytest.skip("other backends multiply bfloat16 in every form")
    inputs, kernel = operands([(48, 32), (32, 64)])

    def loss(inputs, kernel):
        return jnp.sum(einsum("pi,io->po", inputs, kernel, "bfloat16") ** 2)

    gradients = optimized_compilation(jax.grad(loss, (0, 1)))
    program = gradients.lower(inputs, kernel).compile().as_text()
    types = dict(re.findall(r"%([\w.-]+) = (\w+)\[", program))
    types |= dict(re.findall(r"(param_[\w.]+): (\w+)\[", program))
    products = re.findall(r" dot\(%([\w.-]+), %([\w.-]+)\)", program)
    assert len(products) == 3
    assert {types[operand] for product in products for operand in product} == {"bf16"}


def test_program_in_float32_has_no_bfloat16_and_full_precision():
    left, right = operands([(5, 16), (16, 3)])

    def loss(left, right):
        return jnp.sum(einsum("pi,io->po", left, right, "float32") ** 2)

    text = jax.jit(jax.grad(loss, (0, 1))).lower(left, right).as_text()
    dots = [line for line in text.splitlines() if "dot_general" in line]
    assert "bf16" not in text
    assert len(dots) == 3 and all("HIGHEST" in line for line in dots)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_dot_general_contracts_as_jax_does(precision):
    inputs, kernel = (rounded(x) for x in operands([(2, 3, 5), (5, 6, 2)]))
    numbers = (((2,), (0,)), ((), ()))
    expected = jax.lax.dot_general(inputs, kernel, numbers)
    ours = dot_general(precision)(inputs, kernel, numbers, precision=None)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_linear_layer_is_a_kernel_and_a_bias():
    layer = linear(3, (2, 4), precision="float32", rngs=nnx.Rngs(0), blocks=2)
    layer.bias[...] = jnp.arange(8.0).reshape(2, 4)
    (inputs,) = operands([(5, 3)])
    kernel = np.asarray(layer.kernel[...])
    for position in range(5):
        for block in range(2):
            expected = inputs[position] @ kernel[:, block] + np.arange(8).reshape(2, 4)[block]
            np.testing.assert_allclose(layer(inputs)[position, block], expected, atol=1e-6)
    assert linear(3, 4, precision="float32", rngs=nnx.Rngs(0), use_bias=False).bias is None


def test_blocks_are_initialised_one_by_one():
    """Glorot's bound depends on a matrix's own width, not on that of three side by side."""
    layer = linear(40, (3, 50), precision="float32", rngs=nnx.Rngs(0), blocks=3)
    bound = np.sqrt(6 / (40 + 50))
    for gate in range(3):
        block = np.asarray(layer.kernel[...])[:, gate]
        assert 0.97 * bound < np.abs(block).max() <= bound

    orthogonal = linear(
        8,
        (2, 8),
        precision="float32",
        rngs=nnx.Rngs(0),
        blocks=2,
        kernel_init=nnx.initializers.orthogonal(),
    )
    for gate in range(2):
        block = np.asarray(orthogonal.kernel[...])[:, gate]
        np.testing.assert_allclose(block @ block.T, np.eye(8), atol=1e-5)
