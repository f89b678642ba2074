"""Sums over a batch for which each device works on its own rows, and meets the others once.

Left to XLA, what is drawn together from all rows is made on every device: the loss draws real
positions together, so that each device would make the logits of all. And gradients of weights would
be added up at every step of a scan.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh, PartitionSpec

from nmt.devices.mesh import DATA


def sum_over_rows(
    program: Callable[..., Any], mesh: Mesh, params: Any, batch: Any, *others: Any
) -> Any:
    """What a program makes of some rows, added up over all of them.

    Args:
      program: params, some rows of the batch, others -> a pytree of sums over these rows;
        `jax.lax.axis_index(DATA)` counts the devices that have rows.
      mesh: deals out the rows over its axis "data"; over "model" XLA deals out arrays as they lie.
      params: the same for all rows.
      batch: a pytree of arrays (B, ...), of which the size of "data" divides B.
      others: more that is the same for all rows.
    Returns:
      The sums, on every device.
    """

    def of_own_rows(params: Any, rows: Any, *others: Any) -> Any:
        own = program(params, rows, *others)
        # XLA refuses a sum over one device where others share the model.
        return own if mesh.shape[DATA] == 1 else jax.lax.psum(own, DATA)

    everywhere = PartitionSpec()
    on_each_device = jax.shard_map(
        of_own_rows,
        mesh=mesh,
        in_specs=(everywhere, PartitionSpec(DATA), *[everywhere] * len(others)),
        out_specs=everywhere,
        axis_names={DATA},
        check_vma=False,  # checked, parameters would be summed over wherever they are used
    )
    return on_each_device(params, batch, *others)
