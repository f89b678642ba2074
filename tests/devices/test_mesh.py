"""Meshes and the arrays on them, on eight virtual devices."""

import jax
import numpy as np
import pytest

from nmt.devices.mesh import (
    by_rows,
    check_rows,
    describe,
    make_mesh,
    on_all,
    replicated,
    set_like,
    to_devices,
)
from nmt.errors import ConfigError

VALUES = {"a": np.arange(48.0, dtype=np.float32).reshape(8, 6), "b": np.arange(8)}


def test_one_device_is_a_mesh_too():
    mesh = make_mesh(devices=jax.devices()[:1])
    assert dict(mesh.shape) == {"data": 1, "model": 1}
    assert describe(mesh) == "one device (cpu)"


@pytest.mark.parametrize("model_devices", [1, 2, 4, 8])
def test_rows_are_dealt_out_over_data_alone(model_devices):
    mesh = make_mesh(model_devices, jax.devices())
    assert mesh.size == 8
    placed = to_devices(by_rows(mesh), VALUES)
    rows = 8 // (8 // model_devices)
    for name, value in VALUES.items():
        for shard in placed[name].addressable_shards:
            assert shard.data.shape == (rows, *value.shape[1:])
            np.testing.assert_array_equal(shard.data, value[shard.index])
    whole = on_all(mesh, placed)
    for name, value in VALUES.items():
        assert whole[name].sharding == replicated(mesh)
        for shard in whole[name].addressable_shards:
            np.testing.assert_array_equal(shard.data, value)


def test_a_value_is_set_in_the_place_of_another():
    old = to_devices(replicated(make_mesh(devices=jax.devices()[:2])), np.float32(1))
    new = set_like(old, 0.25)
    assert (new.dtype, new.sharding, float(new)) == (old.dtype, old.sharding, 0.25)


def test_devices_that_cannot_be_dealt_out_are_refused():
    with pytest.raises(ConfigError, match="model_devices must divide.*got 3 for 8"):
        make_mesh(3, jax.devices())


@pytest.mark.parametrize("name", ["row_multiple", "batch_sentences"])
def test_rows_that_cannot_be_dealt_out_are_refused(name):
    mesh = make_mesh(2, jax.devices())
    rows = {"row_multiple": 8, "batch_sentences": None}
    check_rows(mesh, **rows)
    with pytest.raises(ConfigError, match=rf"data.{name} must be a multiple of 4.*; got 6"):
        check_rows(mesh, **rows | {name: 6})
