"""Several models trained by one program: the members of a run, which differ in their seeds alone.

The arrays of all members lie one behind the other on a leading axis, and what is written for one
model is mapped over it. A run of one seed has no such axis, and everything here leaves as it is
what it is given; so the rest of training is the same for one seed and for several.

Member k equals a run of its own with seed `training.seed` + k, to the tolerance of float32; but for
parameters that change nothing, such as the bias of a Transformer's keys: their gradient is rounding
alone, which Adam scales up to whole steps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from nmt.analysis.spread import mean
from nmt.data.batching import Batch, Batches
from nmt.devices.mesh import by_rows
from nmt.models.build import Params
from nmt.models.partition import shardings

Array = jax.Array


@dataclass(frozen=True)
class Members:
    """The members of a run, by their seeds."""

    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def leading(self) -> int:
        """Axes of an array of all members before those of one: 0 where there is one, or else 1."""
        return int(len(self) > 1)

    # ---- programs

    def mapped(self, function: Callable) -> Callable:
        """function(*trees) of one member -> the same of all of them."""
        return jax.vmap(function) if self.leading else function

    def seeded(self, function: Callable) -> Callable:
        """function(seed, *trees) of one member -> function(*trees) of all of them."""
        seeds = np.array(self.seeds, np.uint32) if self.leading else self.seeds[0]
        return partial(self.mapped(function), seeds)

    def one_by_one(self, function: Callable) -> Callable:
        """function(seed) -> what it gives, of each member in turn and not of all at once.

        A CPU factors a batch of matrices, such as the orthogonal ones of all members, in threads
        for which two such batches at a time wait for ever.
        """
        if not self.leading:
            return partial(function, self.seeds[0])
        return partial(jax.lax.map, function, np.array(self.seeds, np.uint32))

    def same(self, value: Any) -> np.ndarray:
        """A number, for every member."""
        value = np.asarray(value)
        return np.broadcast_to(value, (len(self),) * self.leading + value.shape)

    def shardings(self, tree: Any, mesh: Mesh) -> Any:
        """Where the arrays of all members lie: each member's as those of a lone one."""
        return shardings(tree, mesh, self.leading)

    def by_rows(self, mesh: Mesh) -> NamedSharding:
        """Batches, one for each member, dealt out by rows."""
        return by_rows(mesh, self.leading)

    # ---- trees of all members

    def stacked(self, of_members: Sequence[Any]) -> Any:
        """Trees of numbers or numpy arrays, one of each member -> one of all."""
        if not self.leading:
            return of_members[0]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *of_members)

    def unstacked(self, tree: Any) -> list[Any]:
        """A tree of numpy arrays of all members -> one of each; numbers of one where scalars."""
        if not self.leading:
            return [tree]
        return [jax.tree.map(lambda leaf, k=k: leaf[k], tree) for k in range(len(self))]

    def member(self, params: Params, k: int) -> Params:
        """The parameters of member k, on the devices of those of all."""
        return self._take(params, np.int32(k)) if self.leading else params

    def chosen(self, wanted: Sequence[bool], params: Params, others: Params) -> Params:
        """`params` of the members that are wanted, and of the rest `others`; none is used up."""
        return self._choose(np.array(wanted), params, others)

    @cached_property
    def _take(self) -> Callable[[Params, Array], Params]:
        return jax.jit(lambda params, k: jax.tree.map(lambda leaf: leaf[k], params))

    @cached_property
    def _choose(self) -> Callable[[Array, Params, Params], Params]:
        return jax.jit(
            lambda wanted, ours, others: jax.tree.map(
                partial(jax.vmap(jnp.where), wanted), ours, others
            )
        )

    # ---- batches

    def batches(self, first: Batches) -> list[Batches]:
        """Of each member, given those of the first one; all have the same shapes in turn."""
        return [first.with_seed(seed) for seed in self.seeds]

    def batch(self, of_members: Sequence[Batches], index: int) -> Batch:
        """What all members take at an index."""
        return self.stacked([batches.batch(index) for batches in of_members])

    # ---- words and records

    def named(self, k: int) -> str:
        """What a message about member k begins with; nothing where it is the only one."""
        return f"seed {self.seeds[k]}: " if self.leading else ""

    def file_name(self, name: object, k: int) -> str:
        """Tells what member k writes from what the others do."""
        return f"{name}.seed{self.seeds[k]}" if self.leading else str(name)

    def record(self, measured: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
        """What was measured of some members, as one record: the means, then each member's own.

        Args:
          measured: values by name, the same names for all, by the member's number.
        Returns:
          of a run of one seed, its values alone. Of several, their mean under each name, and each
          member's as "name/seed_3".
        """
        if not self.leading:
            return dict(measured[0])
        names = next(iter(measured.values()))
        means = {name: mean(values[name] for values in measured.values()) for name in names}
        own = {
            f"{name}/seed_{self.seeds[k]}": values[name]
            for name in names
            for k, values in measured.items()
        }
        return means | own
