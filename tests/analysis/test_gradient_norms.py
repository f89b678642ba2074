"""Norms of gradients against a recurrence whose Jacobians are known."""

import jax
import jax.numpy as jnp
import numpy as np

from nmt.analysis.gradient_norms import state_gradient_norms

FACTORS = np.array([[0.5, 2.0], [1e-9, 3.0]], np.float32)  # of two sentences, one for each leaf
LENGTH = 4


def norms(length):
    """Of x' = f x and y' = g y + input, with loss x' + 2 y'."""

    def step(state, now):
        x, y = FACTORS[:, 0] * state["x"], FACTORS[:, 1] * state["y"] + now
        return {"x": x, "y": y, "count": state["count"] + 1}, x + 2 * y

    state = {"x": jnp.ones(2), "y": jnp.ones(2), "count": jnp.zeros(2, jnp.int32)}
    inputs = jnp.ones((length, 2))
    return jax.jit(lambda: state_gradient_norms(step, state, inputs))()


def test_the_norm_is_over_all_leaves_with_a_gradient():
    found = norms(LENGTH)
    for b, t, p in np.ndindex(found.shape):
        f, g = FACTORS[b].astype(np.float64) ** (t - p + 1)
        expected = np.hypot(f, 2 * g) if p <= t else 0.0
        np.testing.assert_allclose(found[b, t, p], expected, rtol=1e-5)


def test_small_gradients_are_not_lost_with_their_squares():
    """1e-9 to the power of 3 is a number of float32, and its square is not."""

    def step(state, now):
        return 1e-9 * state, state.sum(axis=-1)

    found = state_gradient_norms(step, jnp.ones((1, 2)), jnp.zeros((LENGTH, 1)))
    expected = np.sqrt(2) * 1e-9 ** np.arange(LENGTH - 1, -1, -1.0)
    np.testing.assert_allclose(found[0, -1], expected, rtol=1e-5)
