"""The pass over real positions against numpy, which takes them out first."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.training.real_positions import Positions, scan_real

P, E = 13, 3
MASKS = {
    "all": np.ones(P, bool),
    "none": np.zeros(P, bool),
    "the first": np.arange(P) < 7,
    "the last": np.arange(P) >= 4,
    "here and there": np.random.default_rng(0).random(P) < 0.6,
    "one": np.arange(P) == 5,
}
CHUNK_SIZES = (1, 2, 4, 5, 8, P)


def positions_of(mask, seed=1):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(P, E)).astype(np.float32)
    return Positions(jnp.array(features), jnp.array(generator.integers(9, size=P)), jnp.array(mask))


def add(sums, chunk):
    """Adds up target times features, counts all that it sees, and makes features plus target."""
    assert chunk.features.shape == (len(chunk.mask), E) and chunk.target.shape == chunk.mask.shape
    total, num_seen = sums
    products = jnp.where(chunk.mask[:, None], chunk.target[:, None] * chunk.features, 0)
    made = chunk.features + chunk.target[:, None]
    return (total + products.sum(axis=0), num_seen + len(chunk.mask)), made


def scanned(positions, chunk_size):
    start = jnp.zeros(E), jnp.zeros((), int)
    return scan_real(add, start, jnp.zeros((P, E)), positions, chunk_size)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("chunk_size", CHUNK_SIZES)
def test_sums_and_what_is_made_are_those_of_the_real_positions(mask, chunk_size):
    positions = positions_of(mask)
    features, target = np.asarray(positions.features), np.asarray(positions.target)
    (total, _), made = jax.jit(partial(scanned, chunk_size=chunk_size))(positions)
    np.testing.assert_allclose(total, target[mask] @ features[mask], rtol=1e-5, atol=1e-6)
    expected = features + target[:, None].astype(np.float32)
    np.testing.assert_array_equal(made, np.where(mask[:, None], expected, 0))


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("chunk_size", CHUNK_SIZES)
def test_less_than_a_quarter_of_a_chunk_of_padding_is_computed(mask, chunk_size):
    (_, num_seen), _ = scanned(positions_of(mask), chunk_size)
    assert 0 <= num_seen - mask.sum() < -(-chunk_size // 4)


def test_nothing_may_be_made():
    sums, made = scan_real(
        lambda sums, chunk: (sums + (chunk.features[:, 0] * chunk.mask).sum(), None),
        jnp.zeros(()),
        None,
        positions_of(MASKS["the last"]),
        4,
    )
    expected = np.asarray(positions_of(MASKS["the last"]).features)[MASKS["the last"], 0].sum()
    np.testing.assert_allclose(sums, expected, rtol=1e-5)
    assert made is None


def test_several_models_go_through_their_positions_in_the_same_loops():
    """Each gets what it gets alone; the loops end where the one with the most positions ends."""
    members = [positions_of(mask, seed) for seed, mask in enumerate(MASKS.values())]
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    (totals, num_seen), made = jax.jit(jax.vmap(partial(scanned, chunk_size=4)))(together)
    for k, member in enumerate(members):
        (total, _), alone = scanned(member, 4)
        np.testing.assert_allclose(totals[k], total, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(made[k], alone)
    assert set(num_seen.tolist()) == {P}
