"""Products with the kernel transposed: of rounded operands, and in the order that is wanted."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from nmt.models import kernel_first
from nmt.models.kernel_first import TIMES_MORE, matmul, transposed

HEIGHT = 64


@pytest.mark.parametrize(
    "leading", [(), (HEIGHT // TIMES_MORE,), (HEIGHT // TIMES_MORE + 1,), (2, 3)]
)
def test_matmul_is_that_of_rounded_operands(leading):
    rng = np.random.default_rng(0)
    inputs, kernel = rng.normal(size=(*leading, HEIGHT)), rng.normal(size=(HEIGHT, 24))
    rounded = [np.asarray(jnp.bfloat16(x), np.float64) for x in (inputs, kernel)]
    ours = matmul(jnp.float32(inputs), transposed(jnp.float32(kernel)))
    assert ours.dtype == jnp.float32
    np.testing.assert_allclose(ours, rounded[0] @ rounded[1], atol=1e-4)


@pytest.mark.parametrize(
    "rows, largest, is_first",
    [(HEIGHT // TIMES_MORE, 2**18, True), (HEIGHT // TIMES_MORE + 1, 2**18, False), (2, 24, False)],
)
def test_the_kernel_is_first_for_few_rows_and_a_small_result(
    monkeypatch, rows, largest, is_first, optimized_compilation
):
    """For XLA drops transpositions of a result by taking the operands in the other order."""
    monkeypatch.setattr(kernel_first, "LARGEST", largest)
    inputs, kernel = jnp.zeros((rows, HEIGHT)), jnp.zeros((24, HEIGHT), jnp.bfloat16)
    program = optimized_compilation(lambda *operands: matmul(*operands))  # which is traced anew
    text = program.lower(inputs, kernel).compile().as_text()
    products = re.findall(r"= f32\[(\d+),(\d+)\]\S* dot\(", text)
    assert products == [("24", str(rows)) if is_first else (str(rows), "24")]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_pays_in_bfloat16_where_tiles_are_multiplied(precision, tiles):
    assert kernel_first.pays(precision) == (tiles and precision == "bfloat16")
