"""Pytrees as flat collections of named arrays, which is how a checkpoint stores them."""

from typing import Any

import jax
import numpy as np

from nmt.devices.mesh import to_devices
from nmt.runs.manifest import ArrayEntry


def snapshot(tree: Any) -> dict[ArrayEntry, Any]:
    """Copies every leaf to the host, except one that other processes hold a part of.

    The copy is ours alone: a step that donates its state may overwrite the original meanwhile.
    """
    leaves = jax.tree.leaves(tree)
    for leaf in leaves:
        if isinstance(leaf, jax.Array) and leaf.is_fully_addressable:
            leaf.copy_to_host_async()
    entries = {}
    for keys, leaf in _leaves_with_keys(tree):
        shared = isinstance(leaf, jax.Array) and not leaf.is_fully_addressable
        value = leaf if shared else np.array(leaf)
        entries[ArrayEntry(keys, tuple(value.shape), str(value.dtype))] = value
    assert len({entry.name for entry in entries}) == len(leaves), "names of arrays must differ"
    assert all(entry.keys for entry in entries), "an item is a tree, not an array"
    return entries


def _leaves_with_keys(tree: Any) -> list[tuple[tuple[str | int, ...], Any]]:
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(tuple(map(_plain_key, path)), leaf) for path, leaf in flat]


def _plain_key(key: Any) -> str | int:
    """A key of a dictionary, an index, or the name of a field."""
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return getattr(key, attribute)
    raise TypeError(f"no plain key for {key!r}")


def leaves_by_name(tree: Any) -> dict[str, Any]:
    """The leaves in the tree's own order, by names such as encoder.layers.0.kernel."""
    return {".".join(map(str, keys)): leaf for keys, leaf in _leaves_with_keys(tree)}


def differences(item: str, wanted: dict[str, Any], came: dict[str, ArrayEntry]) -> list[str]:
    """Says of every array that differs: its name, what was wanted and what came."""
    found = []
    for name in dict.fromkeys((*wanted, *came)):
        entries = [None, came.get(name)]
        if name in wanted:
            leaf = wanted[name] if hasattr(wanted[name], "dtype") else np.asarray(wanted[name])
            entries[0] = ArrayEntry((), tuple(leaf.shape), str(leaf.dtype))
        texts = ["nothing" if entry is None else str(entry) for entry in entries]
        if texts[0] != texts[1]:
            found.append(f"{item}.{name} wanted {texts[0]}, came {texts[1]}")
    return found


def placed(value: np.ndarray, like: Any) -> Any:
    """Puts a value where `like` is."""
    if type(like) in (bool, int, float):  # np.float64 is a float too
        return value.item()
    sharding = getattr(like, "sharding", None)
    if sharding is None:
        return value
    if not getattr(like, "committed", True):
        return jax.device_put(value)  # it may go to other devices, as `like` may
    return to_devices(sharding, value)
