"""Products by Eigen: those of numpy, with kernels of a width that it is fast at."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.models.by_eigen import COLUMNS, FEW, least_columns, matmul, num_columns, with_padding
from nmt.models.linear import WIDE
from nmt.models.seq2seq import VOCABULARY_MULTIPLE


@pytest.mark.parametrize("multiple", [COLUMNS, VOCABULARY_MULTIPLE])
def test_num_columns_is_the_next_odd_multiple(multiple):
    for size in range(1, 1200):
        wider = num_columns(size, multiple)
        assert wider % (2 * multiple) == multiple
        assert size <= wider < size + 2 * multiple
        assert num_columns(wider, multiple) == wider


def test_padding_is_zero_and_behind():
    kernel = np.random.default_rng(0).normal(size=(40, 70)).astype(np.float32)
    padded = np.asarray(with_padding(jnp.asarray(kernel)))
    assert padded.shape == (40, 96)
    np.testing.assert_array_equal(padded[:, :70], kernel)
    assert not padded[:, 70:].any()


@pytest.mark.parametrize("rows", [FEW, FEW + 1])
def test_matmul_is_that_of_numpy(rows, tiles):
    rng = np.random.default_rng(0)
    inputs, kernel = rng.normal(size=(rows, 16)), rng.normal(size=(16, 96))
    ours = matmul(jnp.float32(inputs), jnp.float32(kernel))
    np.testing.assert_allclose(ours, inputs @ kernel, atol=1e-5)


@pytest.mark.parametrize("rows", [FEW, FEW + 1])
def test_compiled_product_sums_over_the_rows_of_both(rows, tiles, optimized_compilation):
    """For XLA folds transpositions into products, and would take the other library."""
    inputs, kernel = jnp.zeros((rows, 512)), jnp.zeros((512, 1568))
    program = optimized_compilation(lambda *operands: matmul(*operands))  # which is traced anew
    text = program.lower(inputs, kernel).compile().as_text()
    form = re.findall(r" dot\(.*lhs_contracting_dims=\{(\d)\}, rhs_contracting_dims=\{(\d)\}", text)
    left_to_the_other = tiles and rows == FEW and jax.default_backend() == "cpu"
    assert form == [("1" if left_to_the_other else "0", "0")]
    assert left_to_the_other or jax.default_backend() != "cpu" or "ynn_fusion" not in text


def test_where_tiles_are_multiplied_only_wider_kernels_are_eigens(tiles):
    assert least_columns() == (WIDE + 1 if tiles else WIDE)
