"""The compiled training programs: one for each shape of batch, all made before the first step."""

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nmt.data.batching import Batch
from nmt.data.shapes import Shape
from nmt.models.build import Params
from nmt.training.loss import LossSums
from nmt.training.step import Metrics, Trainer, TrainState, accumulate, train_step, zero_sums

logger = logging.getLogger(__name__)
Array = jax.Array


class CompiledSteps:
    """Steps over batches of known shapes; nothing compiles after the first one.

    With accumulation the first step also compiles two small programs that all shapes share.
    """

    def __init__(self, trainer: Trainer, state: TrainState, shapes: list[Shape], accumulation: int):
        """Compiles, as many shapes at a time as there are cores, and logs the ledger.

        Args:
          trainer: the constants of training.
          state: any state; its shapes count.
          shapes: of the batches.
          accumulation: batches to a step.
        """
        self.accumulation = accumulation
        key = jax.random.key(0)
        if accumulation == 1:
            step = jax.jit(partial(train_step, trainer), donate_argnums=0)
            examples = {shape: (state, _batch_like(shape), key) for shape in shapes}
        else:
            step = jax.jit(partial(accumulate, trainer), donate_argnums=1)
            self._zeros = jax.jit(_zeros)
            self._update = jax.jit(trainer.update, donate_argnums=0)
            total = jax.eval_shape(self._zeros, state.params)
            examples = {shape: (state.params, total, _batch_like(shape), key) for shape in shapes}
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            compiled = list(pool.map(partial(_compile, step), examples.values()))
        self._programs = {
            (shape.source, shape.target, shape.rows): program
            for shape, (program, _) in zip(examples, compiled, strict=True)
        }
        for shape, (program, seconds) in zip(examples, compiled, strict=True):
            logger.info("%s", _ledger_line(shape, program, seconds))

    def step(
        self, state: TrainState, batches: list[Batch], key: Array
    ) -> tuple[TrainState, Metrics]:
        """One update from `accumulation` batches; the state given is used up."""
        if self.accumulation == 1:
            return self._program(batches[0])(state, batches[0], key)
        total = self._zeros(state.params)
        for part, batch in enumerate(batches):
            part_key = jax.random.fold_in(key, part)
            total = self._program(batch)(state.params, total, batch, part_key)
        return self._update(state, *total)

    def _program(self, batch: Batch) -> Any:
        rows, source = batch.source.shape
        return self._programs[source, batch.target_in.shape[1], rows]


def _zeros(params: Params) -> tuple[Params, LossSums]:
    return jax.tree.map(jnp.zeros_like, params), zero_sums()


def _batch_like(shape: Shape) -> Batch:
    """A batch's form without its content."""

    def array(length, dtype):
        return jax.ShapeDtypeStruct((shape.rows, length), dtype)

    source, target = shape.source, shape.target
    return Batch(
        array(source, np.int32),
        array(source, bool),
        array(target, np.int32),
        array(target, np.int32),
        array(target, bool),
    )


def _compile(step, example) -> tuple[Any, float]:
    start = time.perf_counter()
    return step.lower(*example).compile(), time.perf_counter() - start


def _ledger_line(shape: Shape, program, seconds: float) -> str:
    memory = program.memory_analysis()
    size = "unknown" if memory is None else f"{memory.temp_size_in_bytes / 2**20:.0f} MiB"
    return (
        f"shape: {shape.rows} sentences of {shape.source} source and {shape.target} target "
        f"positions; compiled in {seconds:.1f} s, {size} beside the parameters"
    )
