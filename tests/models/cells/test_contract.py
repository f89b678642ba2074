"""Gates taken apart and put together again, on the way back too."""

import jax
import jax.numpy as jnp
import numpy as np

from nmt.models.cells.contract import all_gates, by_gate

GATES = 3


def weighed(of_gates, weights):
    """A function of the gates that depends on each in another way."""
    return sum((weight * gate**2).sum() for gate, weight in zip(of_gates, weights, strict=True))


def test_gates_taken_apart_are_put_together_again():
    projected = np.random.default_rng(0).normal(size=(2, GATES, 5)).astype(np.float32)
    of_gates = by_gate(jnp.asarray(projected))
    for gate, values in enumerate(of_gates):
        np.testing.assert_array_equal(values, projected[:, gate])
    np.testing.assert_array_equal(all_gates(of_gates), projected)


def test_the_gradient_of_gates_is_put_together_not_padded():
    rng = np.random.default_rng(0)
    projected = rng.normal(size=(2, GATES, 5)).astype(np.float32)
    weights = rng.normal(size=(GATES, 2, 5)).astype(np.float32)
    gradient = jax.grad(lambda of_all: weighed(by_gate(of_all), weights))
    expected = 2 * weights.swapaxes(0, 1) * projected
    np.testing.assert_allclose(gradient(projected), expected, rtol=1e-6)
    assert " pad(" not in jax.jit(gradient).lower(projected).compile().as_text()
    assert "stablehlo.pad" not in jax.jit(gradient).lower(projected).as_text()
