"""Schedules at points computed by hand; update rules against their papers in numpy."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.config.schema import TrainingConfig
from nmt.training.optimizer import make_optimizer, make_schedule

WARM = TrainingConfig(learning_rate=0.8, warmup_steps=4, num_steps=104)


def rates(config, *steps):
    schedule = make_schedule(config)
    return [float(schedule(jnp.int32(step))) for step in steps]


@pytest.mark.parametrize("name", ["constant", "plateau", "inverse_sqrt", "cosine"])
def test_warm_up_is_linear_and_reaches_the_peak(name):
    config = replace(WARM, schedule=name)
    np.testing.assert_allclose(rates(config, 0, 1, 2, 3), [0.2, 0.4, 0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("name", ["constant", "plateau", "cosine"])
def test_the_peak_is_where_the_schedule_after_the_warm_up_begins(name):
    config = replace(WARM, schedule=name)
    np.testing.assert_allclose(rates(config, 4), [0.8], rtol=1e-6)


@pytest.mark.parametrize("name", ["constant", "plateau", "cosine"])
def test_warm_up_of_one_step_begins_at_the_peak(name):
    config = replace(WARM, schedule=name, warmup_steps=1)
    np.testing.assert_allclose(rates(config, 0, 1), [0.8, 0.8], rtol=1e-6)


@pytest.mark.parametrize("name", ["constant", "plateau"])
def test_constant_stays(name):
    np.testing.assert_allclose(rates(replace(WARM, schedule=name), 5, 50, 5000), [0.8] * 3)
    without = replace(WARM, schedule=name, warmup_steps=0)
    np.testing.assert_allclose(rates(without, 0, 1, 5000), [0.8] * 3)


def test_inverse_sqrt_falls_as_published():
    """Vaswani et al. (2017), equation 3, whose steps count from 1, for the peak that is wanted."""
    for warmup in (1, 4):
        config = replace(WARM, schedule="inverse_sqrt", warmup_steps=warmup)
        steps = np.array([0, 1, 2, 3, 4, 5, 15, 63, 399])
        published = np.minimum((steps + 1) ** -0.5, (steps + 1) * warmup**-1.5)
        np.testing.assert_allclose(rates(config, *steps), 0.8 * warmup**0.5 * published, rtol=1e-6)


def test_cosine_ends_at_the_final_rate():
    """Half-way at step 4 + 50 the cosine is zero, so the rate is the mean of both ends."""
    config = replace(WARM, schedule="cosine", final_learning_rate=0.2)
    np.testing.assert_allclose(rates(config, 54, 104, 5000), [0.5, 0.2, 0.2], rtol=1e-5)
    quarter = 0.2 + 0.6 * (1 + np.cos(np.pi / 4)) / 2
    np.testing.assert_allclose(rates(config, 29), [quarter], rtol=1e-5)
    without = replace(config, warmup_steps=0, num_steps=100)
    np.testing.assert_allclose(rates(without, 0, 50, 100), [0.8, 0.5, 0.2], rtol=1e-5)


def test_cosine_of_a_run_shorter_than_its_warm_up():
    config = replace(WARM, schedule="cosine", num_steps=2)
    np.testing.assert_allclose(rates(config, 0, 1), [0.2, 0.4], rtol=1e-6)


def test_rate_of_zero():
    config = TrainingConfig(learning_rate=0.0, schedule="cosine")
    assert rates(config, 0, 5) == [0.0, 0.0]


def gradients_of(steps, seed=0):
    rng = np.random.default_rng(seed)
    return [{"w": rng.normal(size=(2, 3)), "b": rng.normal(size=3)} for _ in range(steps)]


def updates_of(config, gradients, params=None):
    """What the optimiser makes of gradients that come one after the other."""
    optimizer = make_optimizer(config)
    params = params or jax.tree.map(jnp.zeros_like, gradients[0])
    state, updates = optimizer.init(params), []
    for gradient in gradients:
        update, state = optimizer.update(jax.tree.map(jnp.asarray, gradient), state, params)
        updates.append(update)
    return updates


def assert_same(ours, expected):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), ours, expected
    )


def test_adam_follows_kingma_and_ba():
    """Algorithm 1; the learning rate is not the optimiser's."""
    config = TrainingConfig(beta1=0.8, beta2=0.9, epsilon=1e-3)
    m = v = 0.0
    gradients = gradients_of(5)
    for t, (gradient, update) in enumerate(
        zip(gradients, updates_of(config, gradients), strict=True), start=1
    ):
        g = gradient["w"]
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g**2
        m_hat, v_hat = m / (1 - 0.8**t), v / (1 - 0.9**t)
        assert_same(update["w"], m_hat / (np.sqrt(v_hat) + 1e-3))


def test_adamw_adds_the_decay_behind_adam():
    """Loshchilov and Hutter (2019), algorithm 2: not through the moments."""
    gradients = gradients_of(3)
    params = {"w": jnp.full((2, 3), 2.0), "b": jnp.full(3, -1.0)}
    adam = updates_of(TrainingConfig(optimizer="adam"), gradients, params)
    adamw = updates_of(TrainingConfig(optimizer="adamw", weight_decay=0.1), gradients, params)
    for left, right in zip(adamw, adam, strict=True):
        assert_same(left, {"w": right["w"] + 0.2, "b": right["b"] - 0.1})


def test_adadelta_follows_zeiler():
    """Zeiler (2012), algorithm 1, whose update is subtracted with a learning rate of 1."""
    config = TrainingConfig(optimizer="adadelta", rho=0.95, epsilon=1e-6)
    g2 = x2 = 0.0
    gradients = gradients_of(5)
    for gradient, update in zip(gradients, updates_of(config, gradients), strict=True):
        g = gradient["w"]
        g2 = 0.95 * g2 + 0.05 * g**2
        delta = np.sqrt(x2 + 1e-6) / np.sqrt(g2 + 1e-6) * g
        x2 = 0.95 * x2 + 0.05 * delta**2
        assert_same(update["w"], delta)
