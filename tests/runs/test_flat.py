from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.runs.flat import differences, leaves_by_name, placed, snapshot


class Counters(NamedTuple):
    total: int
    row: np.ndarray


TREE = {
    "layers": {0: {"W": np.ones((2, 3))}},
    "list": [1.5, None, ()],
    "c": Counters(3, np.zeros(2)),
}


def test_names_and_order():
    by_name = leaves_by_name(TREE)
    assert set(by_name) == {"layers.0.W", "list.0", "c.total", "c.row"}
    for a, b in zip(by_name.values(), jax.tree.leaves(TREE), strict=True):
        assert a is b
    assert [entry.keys for entry in snapshot(TREE)][-1] == ("list", 0)


def test_a_snapshot_is_a_copy():
    original, on_device = np.zeros(3), jnp.zeros(3)
    copies = list(snapshot({"a": original, "b": on_device}).values())
    original[:] = 1
    np.testing.assert_array_equal(copies[0], 0)
    assert not np.shares_memory(copies[1], np.asarray(on_device))


def test_names_must_differ():
    with pytest.raises(AssertionError, match="names of arrays must differ"):
        snapshot({"a": {"b": 1}, "a.b": 2})


def test_differences_name_the_array_and_both_sides():
    (came,) = (snapshot({"W": np.ones((2, 3), np.float32), "x": 1.0}),)
    entries = {entry.name: entry for entry in came}
    assert differences("params", {"W": jnp.ones((2, 3)), "x": 2.0}, entries) == []
    assert differences("params", {"W": jnp.ones((3, 2)), "b": jnp.ones(2, jnp.int32)}, entries) == [
        "params.W wanted float32 [3, 2], came float32 [2, 3]",
        "params.b wanted int32 [2], came nothing",
        "params.x wanted nothing, came float64 []",
    ]


def test_a_value_goes_where_its_like_is():
    value = np.arange(4, dtype=np.float32)
    device = jax.devices()[0]
    assert type(placed(value, np.zeros(4))) is np.ndarray
    assert type(placed(value, jax.ShapeDtypeStruct((4,), jnp.float32))) is np.ndarray
    assert not placed(value, jnp.zeros(4)).committed
    committed = placed(value, jax.device_put(np.zeros(4), device))
    assert committed.committed and committed.devices() == {device}
    np.testing.assert_array_equal(committed, value)
    assert type(placed(np.asarray(3), 1)) is int
    assert type(placed(np.asarray(3.0), np.float64(1))) is not float
