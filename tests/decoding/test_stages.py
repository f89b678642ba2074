"""Stages: each sentence gets the steps that it needs, in loops that become smaller."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.decoding.stages import run_in_stages, stage_sizes


@pytest.mark.parametrize("num_sentences", [1, 3, 16, 37, 64])
def test_every_sentence_gets_its_own_steps(num_sentences):
    rng = np.random.default_rng(num_sentences)
    batch = rng.integers(0, 20, num_sentences), rng.normal(size=(num_sentences, 2))
    wanted, values = batch

    def step(batch, state):
        wanted, values = batch
        position, totals, _ = state
        is_live = position < wanted
        return position + 1, totals + is_live[:, None] * values * position, is_live

    results = jax.jit(
        lambda batch, state: run_in_stages(
            step, lambda state: state[2], lambda state: state[1], batch, state
        )
    )(batch, (jnp.zeros((), jnp.int32), jnp.zeros_like(values), jnp.ones(num_sentences, bool)))
    sums = [sum(range(number)) for number in wanted]
    np.testing.assert_allclose(results, values * np.array(sums)[:, None], rtol=1e-5)


def test_loops_become_smaller_as_sentences_are_done():
    sizes = []

    def step(wanted, left):
        jax.debug.callback(lambda: sizes.append(len(wanted)))
        return left - 1

    wanted = jnp.arange(64)
    run = partial(run_in_stages, step, lambda left: left > 0, lambda left: left)
    jax.block_until_ready(jax.jit(run)(wanted, wanted))
    jax.effects_barrier()
    assert sizes == [64] * 31 + [32] * 16 + [16] * 16


def test_few_sentences_are_one_stage():
    assert [stage_sizes(number) for number in (1, 31, 32, 64)] == [
        [1],
        [31],
        [32, 16],
        [64, 32, 16],
    ]


def test_a_stage_is_as_large_as_is_asked_for():
    assert stage_sizes(320, 80) == [320, 160, 80]
    assert stage_sizes(159, 80) == [159]
