"""The compiled training programs, made while the first ones train.

A step is two programs. The one that makes the gradients is compiled for each shape of batch; the
update knows no shapes of batches and is compiled once. Optimisers are many small operations for
each parameter, so that the update takes as long to compile as the gradients of a small model do.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from nmt.data.batching import Batch
from nmt.data.shapes import Shape
from nmt.devices.allocator import keep_freed_memory
from nmt.devices.mesh import DATA, replicated
from nmt.devices.own_rows import sum_over_rows
from nmt.devices.processor import num_cores
from nmt.models.build import Params
from nmt.models.keys import keys_of_sentences
from nmt.training.loss import LossSums
from nmt.training.members import Members
from nmt.training.step import Metrics, Trainer, TrainState

logger = logging.getLogger(__name__)
Array = jax.Array
UPDATE, ADD = "update", "sum of gradients"  # the programs that know no shapes of batches


class CompiledSteps:
    """Steps over batches of known shapes, whose programs are compiled once and in the background.

    A step waits for the programs that it needs itself; once every shape is through, nothing
    compiles. Of several processes each compiles and waits by itself: they meet within the programs
    alone.

    All arrays are of one mesh: parameters and the rest of the state where the rules of
    `nmt.models.partition` put them, batches by rows. The dropout key of a sentence depends on
    the seed, the step and the sentence's place in its batches alone, and is made on the devices.

    Attributes:
      programs: what has been compiled, by `Shape` (its gradients), UPDATE or ADD.
    """

    def __init__(
        self,
        trainer: Trainer,
        state: TrainState,
        shapes: Sequence[Shape],
        mesh: Mesh,
        *,
        accumulation: int,
        members: Members,
        check: Callable[[], None],
    ):
        """Starts to compile, as many shapes at a time as there are cores.

        Args:
          trainer: the constants of training.
          state: any state on the mesh, or its form; its shapes count, and where it lies.
          shapes: of the batches, in the order in which they will be needed.
          mesh: its devices.
          accumulation: batches to a step.
          members: of the run, whose seeds are those of dropout.
          check: called while waiting; what it raises ends the wait.
        """
        keep_freed_memory()  # which one step after the other takes
        self.accumulation, self.members = accumulation, members
        guided = bool(trainer.alignment_weight)
        batches = {
            shape: _batch_like(shape, members, members.by_rows(mesh), guided=guided)
            for shape in shapes
        }
        where, whole = members.shardings(state, mesh), replicated(mesh)
        state = jax.tree.map(_like, state)  # the arrays themselves are used up by the first step
        total = (where.params, whole)
        gradients = members.seeded(partial(_gradients, trainer, mesh))
        gradients = jax.jit(gradients, out_shardings=total)
        update = members.mapped(trainer.update)
        update = jax.jit(update, donate_argnums=0, out_shardings=(where, whole))
        add = jax.jit(partial(jax.tree.map, jnp.add), donate_argnums=0, out_shardings=total)
        like, part = (state.params, state.sums), members.same(np.int32(0))
        rest = {UPDATE: (update, (state, *like))}
        if accumulation > 1:
            rest[ADD] = (add, (like, like))
        first, *others = [
            (shape, (gradients, (state.params, state.counters.step, batch, part)))
            for shape, batch in batches.items()
        ]
        self._always = rest.keys()
        self.programs: dict[Hashable, Any] = {}
        self._compiler = _Compiler(dict([first, *rest.items(), *others]))
        self._check = check

    def step(self, state: TrainState, batches: list[Batch]) -> tuple[TrainState, Metrics]:
        """One update from `accumulation` batches on the mesh; the state given is used up."""
        self.wait(batches)
        total = None
        for part, batch in enumerate(batches):
            part = self.members.same(np.int32(part))
            made = self.programs[_shape(batch)](state.params, state.counters.step, batch, part)
            total = made if total is None else self.programs[ADD](total, made)
        return self.programs[UPDATE](state, *total)

    def is_ready(self, batches: Sequence[Batch]) -> bool:
        """Whether a step over these batches need not wait."""
        self._take(self._compiler.take())
        return self._needed(batches) <= self.programs.keys()

    def wait(self, batches: Sequence[Batch] | None = None) -> None:
        """Returns when a step over these batches, or over any of the known shapes, need not wait.

        What was compiled by then is written into the ledger. An error of the compiler is raised at
        the first call after it, whatever batches that call is about.
        """
        needed = None if batches is None else self._needed(batches)
        self._take(self._compiler.take())
        while not self._compiler.is_through(needed):
            self._take(self._compiler.take(seconds=0.2))
            self._check()

    def close(self) -> None:
        """Gives up what is not compiled yet."""
        self._compiler.close()

    def _needed(self, batches: Sequence[Batch]) -> set[Hashable]:
        return self._always | {_shape(batch) for batch in batches}

    def _take(self, compiled: Mapping[Hashable, tuple[Any, float]]) -> None:
        for name, (program, seconds) in compiled.items():
            self.programs[name] = program
            logger.info("%s", _ledger_line(name, program, seconds))


class _Compiler:
    """Compiles functions for examples of their arguments, in threads, the first ones first."""

    def __init__(self, examples: Mapping[Hashable, tuple[Any, tuple]]):
        """Args: by name, a jitted function and its arguments, or what they look like."""
        # More at a time than there are cores would only delay the first.
        self._pool = ThreadPoolExecutor(num_cores(), thread_name_prefix="compile")
        # Python runs one thread at a time: two that trace together would end together, late.
        self._tracing = threading.Lock()
        self._pending: dict[Hashable, Future] = {
            name: self._pool.submit(self._compile, *example) for name, example in examples.items()
        }

    def is_through(self, names: Collection[Hashable] | None) -> bool:
        """Whether all of these, or all there are, have been taken."""
        return not (self._pending if names is None else self._pending.keys() & names)

    def take(self, seconds: float = 0.0) -> dict[Hashable, tuple[Any, float]]:
        """What has been compiled since the last call, by name, with its seconds.

        Args:
          seconds: to wait at most, for the next one.
        Raises:
          what the compiler raised.
        """
        if not self._pending:
            return {}
        wait(self._pending.values(), seconds, return_when="FIRST_COMPLETED")
        done = [name for name, future in self._pending.items() if future.done()]
        return {name: self._pending.pop(name).result() for name in done}

    def close(self) -> None:
        """Begins nothing more; what has begun is left to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _compile(self, function, arguments) -> tuple[Any, float]:
        with self._tracing:
            start = time.perf_counter()
            lowered = function.lower(*arguments)
        return lowered.compile(), time.perf_counter() - start


def _gradients(
    trainer: Trainer,
    mesh: Mesh,
    seed: int | Array,
    params: Params,
    step: Array,
    batch: Batch,
    part: Array,
) -> tuple[Params, LossSums]:
    """Of the batch that is part `part` of a step, dropout of each row by its place in the batch."""

    def of_some_rows(params: Params, batch: Batch, key: Array) -> tuple[Params, LossSums]:
        num_rows = len(batch.source)
        rows = jax.lax.axis_index(DATA) * num_rows + jnp.arange(num_rows)
        return trainer.gradients(params, batch, keys_of_sentences(key, rows))

    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), step), part)
    return sum_over_rows(of_some_rows, mesh, params, batch, key)


def _batch_like(shape: Shape, members: Members, sharding: NamedSharding, *, guided: bool) -> Batch:
    """A batch's form without its content; `guided` with links."""

    def array(*lengths, dtype):
        axes = *(len(members),) * members.leading, shape.rows, *lengths
        return jax.ShapeDtypeStruct(axes, dtype, sharding=sharding)

    source, target = shape.source, shape.target
    return Batch(
        array(source, dtype=np.int32),
        array(source, dtype=bool),
        array(target, dtype=np.int32),
        array(target, dtype=np.int32),
        array(target, dtype=bool),
        array(target, source, dtype=bool) if guided else None,
    )


def _shape(batch: Batch) -> Shape:
    rows, source = batch.source.shape[-2:]
    return Shape(rows, source, batch.target_in.shape[-1])


def _like(array: Array) -> jax.ShapeDtypeStruct:
    """What an array looks like, where it lies included."""
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=array.sharding)


def _ledger_line(name: Shape | str, program, seconds: float) -> str:
    memory = program.memory_analysis()
    size = "unknown" if memory is None else f"{memory.temp_size_in_bytes / 2**20:.0f} MiB"
    if isinstance(name, Shape):
        name = (
            f"shape: {name.rows} sentences of {name.source} source and {name.target} target "
            "positions"
        )
    return f"{name}; compiled in {seconds:.1f} s, {size} beside the parameters"
