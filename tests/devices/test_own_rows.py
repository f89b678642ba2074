"""Sums over the rows of a batch: each device works on its own, whatever the mesh."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.devices.mesh import DATA, MODEL, by_rows, make_mesh, to_devices
from nmt.devices.own_rows import sum_over_rows

ROWS, LENGTH, WIDTH, SIZE = 8, 5, 4, 16
COLLECTIVE = re.compile(r"= (\S+) (all-\S+|collective-\S+|reduce-scatter)\(")
RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(WIDTH, SIZE)).astype(np.float32)
BATCH = (
    RNG.normal(size=(ROWS, LENGTH, WIDTH)).astype(np.float32),
    RNG.random((ROWS, LENGTH)) < 0.6,
)


def squares_of_real_logits(kernel, batch, scale):
    """As the loss does it: real positions are drawn together before the product."""
    features, mask = (leaf.reshape(-1, *leaf.shape[2:]) for leaf in batch)
    order = jnp.argsort(~mask)
    logits = features[order] @ kernel
    number = jax.lax.axis_index(DATA)
    return (jnp.where(mask[order][:, None], scale * logits, 0) ** 2).sum(), mask.sum(), number


@pytest.mark.parametrize("data, over", [(1, 1), (1, 2), (2, 1), (4, 2), (8, 1)])
def test_sums_are_those_of_all_rows_and_devices_are_counted(data, over):
    mesh = make_mesh(over, jax.devices()[: data * over])
    batch = to_devices(by_rows(mesh), BATCH)
    kernel = jax.device_put(
        KERNEL, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, MODEL))
    )
    program = jax.jit(lambda *whole: sum_over_rows(squares_of_real_logits, mesh, *whole))
    squares, num_real, numbers = program(kernel, batch, np.float32(3))
    expected = sum(
        (3 * (BATCH[0][row, i] @ KERNEL)) ** 2
        for row in range(ROWS)
        for i in range(LENGTH)
        if BATCH[1][row, i]
    )
    np.testing.assert_allclose(squares, expected.sum(), rtol=1e-5)
    assert num_real == BATCH[1].sum()
    assert numbers == sum(range(data))


def test_devices_meet_once_and_make_the_logits_of_their_own_rows():
    mesh = make_mesh(devices=jax.devices()[:4])
    batch = to_devices(by_rows(mesh), BATCH)
    kernel = to_devices(jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()), KERNEL)

    def compiled(program):
        return jax.jit(program).lower(kernel, batch, np.float32(3)).compile().as_text()

    text = compiled(lambda *whole: sum_over_rows(squares_of_real_logits, mesh, *whole))
    assert {name for _, name in COLLECTIVE.findall(text)} == {"all-reduce"}
    own, all_rows = (f"f32[{rows * LENGTH},{SIZE}]" for rows in (ROWS // 4, ROWS))
    assert own in text and all_rows not in text
