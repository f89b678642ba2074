"""Logits of one product: those of the kernel and the bias apart."""

import jax.numpy as jnp
import numpy as np
import pytest

from nmt.models.biased_kernel import LOWEST, biased_kernel, logits_from_biased
from nmt.models.seq2seq import Projection, logits_from_features, padded_size

SIZE = 130


@pytest.mark.parametrize("E", [5, 6, 8])  # with 3, 10 and 8 rows for the bias
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_one_product_makes_the_logits(precision, E):
    rng = np.random.default_rng(0)
    rows = padded_size(SIZE)
    kernel, bias = rng.normal(size=(rows, E)), 5 * rng.normal(size=rows)
    projection = Projection(jnp.float32(kernel), jnp.float32(bias), SIZE, precision)
    features = rng.normal(size=(2, 3, E)).astype(np.float32)
    biased = biased_kernel(projection)
    assert biased.dtype == precision and len(biased) % 8 == 0
    logits = np.asarray(logits_from_biased(features, biased, precision))
    expected = np.asarray(logits_from_features(features, projection))
    # Of a bias in bfloat16 as much is kept as float32 has; else it would be off by 0.02 and more.
    np.testing.assert_allclose(logits[..., :SIZE], expected[..., :SIZE], atol=1e-5)
    np.testing.assert_allclose(logits[..., SIZE:], LOWEST, rtol=1e-5)
