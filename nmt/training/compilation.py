"""The compiled training programs: one for each shape of batch, all made before the first step."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from nmt.data.batching import Batch
from nmt.data.shapes import Shape
from nmt.devices.mesh import replicated
from nmt.models.build import Params
from nmt.training.loss import LossSums
from nmt.training.members import Members
from nmt.training.step import Metrics, Trainer, TrainState, accumulate, train_step

logger = logging.getLogger(__name__)
Array = jax.Array


class CompiledSteps:
    """Steps over batches of known shapes; nothing compiles after they are made.

    All arrays are of one mesh: parameters and the rest of the state where the rules of
    `nmt.models.partition` put them, batches by rows. The dropout key of a step depends on the seed
    and the step alone, and is made on the devices.
    """

    def __init__(
        self,
        trainer: Trainer,
        state: TrainState,
        shapes: list[Shape],
        mesh: Mesh,
        *,
        accumulation: int,
        members: Members,
        check: Callable[[], None],
    ):
        """Compiles, as many shapes at a time as there are cores, and logs the ledger.

        Args:
          trainer: the constants of training.
          state: any state on the mesh; its shapes count.
          shapes: of the batches.
          mesh: its devices.
          accumulation: batches to a step.
          members: of the run, whose seeds are those of dropout.
          check: called while waiting; what it raises ends the compilation.
        """
        self.accumulation, self.members = accumulation, members
        guided = bool(trainer.alignment_weight)
        batches = {
            shape: _batch_like(shape, members, members.by_rows(mesh), guided=guided)
            for shape in shapes
        }
        where, whole = members.shardings(state, mesh), replicated(mesh)
        if accumulation == 1:
            step = jax.jit(
                members.seeded(partial(_step, trainer)),
                donate_argnums=0,
                out_shardings=(where, whole),
            )
            examples = {shape: (step, (state, batch)) for shape, batch in batches.items()}
        else:
            total = (where.params, whole)
            zeros = jax.jit(members.mapped(partial(_zeros, trainer)), out_shardings=total)
            add = members.seeded(partial(_add, trainer))
            add = jax.jit(add, donate_argnums=1, out_shardings=total)
            update = members.mapped(trainer.update)
            update = jax.jit(update, donate_argnums=0, out_shardings=(where, whole))
            like = jax.eval_shape(zeros, state.params)
            part = members.same(np.int32(0))
            examples = {
                shape: (add, (state, like, batch, part)) for shape, batch in batches.items()
            }
            examples |= {"zeros": (zeros, (state.params,)), "update": (update, (state, *like))}
        self._programs = {}
        for name, program, seconds in _compile_all(examples, check):
            self._programs[name] = program
            logger.info("%s", _ledger_line(name, program, seconds))

    def step(self, state: TrainState, batches: list[Batch]) -> tuple[TrainState, Metrics]:
        """One update from `accumulation` batches on the mesh; the state given is used up."""
        if self.accumulation == 1:
            return self._programs[_shape(batches[0])](state, batches[0])
        total = self._programs["zeros"](state.params)
        for part, batch in enumerate(batches):
            part = self.members.same(np.int32(part))
            total = self._programs[_shape(batch)](state, total, batch, part)
        return self._programs["update"](state, *total)


def _step(
    trainer: Trainer, seed: int | Array, state: TrainState, batch: Batch
) -> tuple[TrainState, Metrics]:
    return train_step(trainer, state, batch, _key(seed, state))


def _add(
    trainer: Trainer,
    seed: int | Array,
    state: TrainState,
    total: tuple[Params, LossSums],
    batch: Batch,
    part: Array,
) -> tuple[Params, LossSums]:
    key = jax.random.fold_in(_key(seed, state), part)
    return accumulate(trainer, state.params, total, batch, key)


def _zeros(trainer: Trainer, params: Params) -> tuple[Params, LossSums]:
    return jax.tree.map(jnp.zeros_like, params), trainer.zero_sums()


def _key(seed: int | Array, state: TrainState) -> Array:
    return jax.random.fold_in(jax.random.key(seed), state.counters.step)


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


def _compile_all(examples: dict, check: Callable[[], None]) -> Iterator[tuple[Any, Any, float]]:
    """Compiles functions for examples of their arguments: yields name, program and seconds."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        compiling = {name: pool.submit(_compile, *example) for name, example in examples.items()}
        try:
            while wait(compiling.values(), timeout=0.2).not_done:
                check()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for name, future in compiling.items():
        yield name, *future.result()


def _compile(function, arguments) -> tuple[Any, float]:
    start = time.perf_counter()
    return function.lower(*arguments).compile(), time.perf_counter() - start


def _ledger_line(name: Shape | str, program, seconds: float) -> str:
    memory = program.memory_analysis()
    size = "unknown" if memory is None else f"{memory.temp_size_in_bytes / 2**20:.0f} MiB"
    if isinstance(name, Shape):
        name = (
            f"shape: {name.rows} sentences of {name.source} source and {name.target} target "
            "positions"
        )
    return f"{name}; compiled in {seconds:.1f} s, {size} beside the parameters"
