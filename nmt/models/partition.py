"""How big arrays are spread over the "model" axis of a mesh: rules by the name of a parameter.

A matrix is cut along its output (units of a state, heads, pieces), so that every device makes its
own part of the result; the second of two matrices in a row is cut along its input, and XLA adds up
(Shoeybi et al. 2019, "Megatron-LM", section 3). What no rule names is small and whole everywhere.
Optimiser states have the shapes of their parameters and end with their names, so the same rules
hold for them.
"""

import re
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nmt.devices.mesh import MODEL

RULES: tuple[tuple[str, tuple[str | None, ...]], ...] = (
    # The first pattern found in the name counts. Axes are written beside their rule.
    (r"embedding\.table$", (MODEL, None)),  # V E
    (r"output\.kernel$", (MODEL, None)),  # V E
    (r"output\.bias$", (MODEL,)),  # V
    # Transformer, all layers in one array
    (r"\.queries_keys_values\.kernel$", (None, None, None, MODEL, None)),  # layers D 3 N d
    (r"\.keys_values\.kernel$", (None, None, None, MODEL, None)),  # layers D 2 N d
    (r"\.queries\.kernel$", (None, None, MODEL, None)),  # layers D N d
    (r"layers\.\w+\.out\.kernel$", (None, MODEL, None)),  # layers N*d D
    (r"\.W_1\.kernel$", (None, None, MODEL)),  # layers D F
    (r"\.W_1\.bias$", (None, MODEL)),  # layers F
    (r"\.W_2\.kernel$", (None, MODEL, None)),  # layers F D
    # Recurrent cells, gates in one array
    (r"\.(W|U|U_n|C|P|P_o)\.kernel$", (None, None, MODEL)),  # I gates H
    (r"\.U\.\d+\.kernel$", (None, None, MODEL)),  # rows of the clockwork's blocks: H' 1 H/modules
    (r"\.W\.bias$", (None, MODEL)),  # gates H
    (r"\.peepholes$", (None, MODEL)),  # gates H
    (r"start\.\d+\.kernel$", (None, MODEL)),  # encoder_dim H
    (r"feed\.kernel$", (None, None, MODEL)),  # E gates H
    # A recurrent decoder's attention and the readout
    (r"attention\.[WU]_a\.kernel$", (None, MODEL)),  # I A
    (r"attention\.v_a$", (MODEL,)),  # A
    (r"readout\.[CUV]_o\.kernel$", (None, MODEL)),  # I O
)


def shardings(tree: Any, mesh: Mesh, leading: int = 0) -> Any:
    """Where every array of parameters, or of a training state, lies on a mesh.

    An axis that the devices do not divide is left whole.

    Args:
      tree: a pytree of arrays, or of anything with a shape.
      mesh: with an axis "model"; of size 1 it leaves every array whole.
      leading: axes of every array before those that the rules name, whole everywhere.
    Returns:
      the same pytree of `NamedSharding`.
    """

    def of_leaf(path, leaf):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        fitting = _fitting(_spec(name), leaf.shape[leading:], mesh.shape[MODEL])
        return NamedSharding(mesh, PartitionSpec(*[None] * leading, *fitting))

    return jax.tree_util.tree_map_with_path(of_leaf, tree)


def _spec(name: str) -> tuple[str | None, ...]:
    return next((spec for pattern, spec in RULES if re.search(pattern, name)), ())


def _fitting(
    spec: tuple[str | None, ...], shape: tuple[int, ...], model_devices: int
) -> PartitionSpec:
    assert len(spec) in (0, len(shape)), "a rule names every axis"
    fits = (axis and size % model_devices == 0 for axis, size in zip(spec, shape, strict=False))
    return PartitionSpec(*(MODEL if fit else None for fit in fits))
