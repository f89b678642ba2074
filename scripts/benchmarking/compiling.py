"""The programs of training and search, compiled from the forms of their arguments alone."""

import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from benchmarking.launches import count_launches
from benchmarking.ledger import collected_lines, compiled
from nmt.config.schema import Config
from nmt.data.shapes import Shape
from nmt.data.vocabulary import SpecialPieces
from nmt.decoding import programs
from nmt.decoding.finding import max_target_pieces
from nmt.devices.mesh import replicated
from nmt.models.build import build_model, split_model
from nmt.training.compilation import UPDATE, CompiledSteps
from nmt.training.members import Members
from nmt.training.resuming import planned

SPECIAL = SpecialPieces(pad_id=0, bos_id=1, eos_id=2)
MIB = 2**20


def compile_training(name: str, config: Config, shape: Shape, mesh: Mesh) -> list[dict[str, Any]]:
    """What is told of each program of a step of training: the gradients and the update.

    Args:
      name: of the model.
      config: of a run; `training.num_seeds` models are trained at once.
      shape: of a batch.
      mesh: of devices that need not be here.
    """
    members = Members(config.training.seeds)
    trainer, state, _ = planned(config, members, _sizes(config), mesh)
    with collected_lines() as lines:
        steps = CompiledSteps(
            trainer, state, [shape], mesh, accumulation=1, members=members, check=lambda: None
        )
        steps.wait()
    cost, described = compiled(lines), f"gradients, {shape.rows} x {shape.source} x {shape.target}"
    return [
        _facts(name, described, steps.programs[shape], cost.seconds[0], mesh),
        _facts(name, UPDATE, steps.programs[UPDATE], cost.update_seconds, mesh),
    ]


def compile_search(
    name: str, config: Config, shape: Shape, beam_size: int, mesh: Mesh
) -> dict[str, Any]:
    """What is told of beam search, for as long translations as the config lets it find."""
    whole = replicated(mesh)
    source_size, target_size = _sizes(config)
    build = partial(
        build_model,
        config.model,
        source_size=source_size,
        target_size=target_size,
        precision=config.search.precision or config.training.precision,
    )
    graphs = []

    def parts():
        graph, params = split_model(build())
        graphs.append(graph)
        return params

    params = _placed(jax.eval_shape(parts), whole)
    how = {"mesh": mesh, "special": SPECIAL}
    prepare = partial(programs.prepare_search, graphs[0], **how)
    prepared = _placed(jax.eval_shape(lambda params: prepare(params=params), params), whole)
    length = max_target_pieces(shape.source, config.search)
    rows = jax.ShapeDtypeStruct((shape.rows, shape.source), jnp.int32)
    start = time.perf_counter()
    program = programs.beam_search.lower(
        graphs[0],
        params,
        prepared,
        rows,
        jax.ShapeDtypeStruct(rows.shape, bool),
        jax.ShapeDtypeStruct((shape.rows,), jnp.int32),
        jax.ShapeDtypeStruct((), jnp.float32),
        beam_size=beam_size,
        max_length=length,
        num_hypotheses=1,
        **how,
    ).compile()
    described = f"beam search, {beam_size} hypotheses, up to {length} pieces"
    return _facts(name, described, program, time.perf_counter() - start, mesh)


def _sizes(config: Config) -> tuple[int, int]:
    """The pieces that the vocabularies may have."""
    return config.vocabulary.size, config.vocabulary.size


def _placed(tree: Any, sharding) -> Any:
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )


def _facts(name: str, described: str, program: Any, seconds: float, mesh: Mesh) -> dict[str, Any]:
    memory = program.memory_analysis()
    beside = memory.temp_size_in_bytes / MIB
    on_gpu = mesh.devices.flat[0].platform == "gpu"
    kept = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    return {
        "model": name,
        "program": described,
        "compile_seconds": seconds,
        "memory_beside_mib": beside,
        "memory_in_all_mib": beside + kept / MIB,
        "launches": count_launches(program.as_text()) if on_gpu else None,
    }
