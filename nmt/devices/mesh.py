"""The mesh of devices, and arrays placed on it; one device is the mesh (1, 1).

                 "model"
              ┌────┬────┐
     "data"   │ d0 │ d1 │   rows 0-3 of a batch; each of d0 and d1 has a part of every big array
              │ d2 │ d3 │   rows 4-7; d2 has what d0 has, d3 what d1 has
              └────┴────┘

A mesh may span several processes. Each then runs the same program on the same host values, and
gives its own devices their part of them.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from nmt.errors import ConfigError

DATA, MODEL = "data", "model"  # the axes of every mesh


def visible_devices() -> list[jax.Device]:
    """The devices of all processes."""
    return jax.devices()


def own_devices() -> list[jax.Device]:
    """The devices of this process."""
    process = jax.process_index()
    return [device for device in visible_devices() if device.process_index == process]


def make_mesh(model_devices: int = 1, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh with the axes ("data", "model").

    Args:
      model_devices: devices that share one copy of the parameters; the size of "model".
      devices: all that are visible when None.
    Raises:
      ConfigError: the devices cannot be dealt out so.
    """
    devices = visible_devices() if devices is None else devices
    if len(devices) % model_devices:
        raise ConfigError(
            "training.model_devices must divide the number of devices; "
            f"got {model_devices} for {len(devices)}"
        )
    shape = len(devices) // model_devices, model_devices
    return jax.make_mesh(shape, (DATA, MODEL), axis_types=(AxisType.Auto,) * 2, devices=devices)


def check_rows(mesh: Mesh, *, row_multiple: int, batch_sentences: int | None) -> None:
    """Makes sure that every batch can be dealt out evenly over "data".

    Raises:
      ConfigError: it cannot.
    """
    rows = mesh.shape[DATA]
    for name, value in (("row_multiple", row_multiple), ("batch_sentences", batch_sentences)):
        if value is not None and value % rows:
            raise ConfigError(
                f"data.{name} must be a multiple of {rows}, the devices that share a batch "
                f"({mesh.size} devices, training.model_devices {mesh.shape[MODEL]}); got {value}"
            )


def describe(mesh: Mesh) -> str:
    """The mesh in words, such as "4 x 2 devices (cpu)"."""
    data, model = mesh.shape[DATA], mesh.shape[MODEL]
    kind = mesh.devices.flat[0].device_kind
    if mesh.size == 1:
        return f"one device ({kind})"
    return f"{data} x {model} devices ({kind}): batches over {data}, parameters over {model}"


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def by_rows(mesh: Mesh, leading: int = 0) -> NamedSharding:
    """The rows of a batch dealt out over "data".

    Args:
      mesh: the devices.
      leading: axes before that of the rows, whole everywhere.
    """
    return NamedSharding(mesh, PartitionSpec(*[None] * leading, DATA))


def to_devices(sharding: NamedSharding, tree: Any) -> Any:
    """Makes arrays on devices from values that every process has whole.

    Args:
      sharding: of every leaf.
      tree: a pytree of numpy arrays or of jax arrays of this process.
    """

    def place(leaf):
        value = np.asarray(leaf)
        return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])

    return jax.tree.map(place, tree)


def set_like(array: jax.Array, value: Any) -> jax.Array:
    """Another value, known to every process, in the place of an array: same type, same devices.

    One number fills the array.
    """
    return to_devices(array.sharding, np.broadcast_to(np.asarray(value, array.dtype), array.shape))


def on_all(mesh: Mesh, tree: Any) -> Any:
    """The same values, whole on every device of the mesh.

    Args:
      mesh: perhaps of several processes, all of which call this.
      tree: a pytree of arrays: numpy, of this process, or of the mesh with any sharding.
    """
    whole = replicated(mesh)
    if jax.process_count() == 1:
        return jax.device_put(tree, whole)
    shared = [_is_shared(leaf) for leaf in jax.tree.leaves(tree)]
    if all(shared):
        return _gathering(whole)(tree)
    assert not any(shared), "all of the mesh, or all of this process"
    return to_devices(whole, tree)


@cache
def _gathering(whole: NamedSharding) -> Callable[[Any], Any]:
    """One function for each mesh, so that each form of tree is compiled once."""
    return jax.jit(lambda tree: tree, out_shardings=whole)


def _is_shared(leaf: Any) -> bool:
    """Whether other processes hold a part of it."""
    return isinstance(leaf, jax.Array) and not leaf.is_fully_addressable
