"""The one place that names every architecture, and a model taken apart for pure functions."""

from typing import Any

import jax
from flax import nnx

from nmt.config.schema import ModelConfig
from nmt.models.keys import InitialKeys
from nmt.models.recurrent import RecurrentSeq2Seq
from nmt.models.transformer import TransformerSeq2Seq

ARCHITECTURES = {"recurrent": RecurrentSeq2Seq, "transformer": TransformerSeq2Seq}
Params = dict[str, Any]  # nested, with arrays as leaves


def build_model(
    config: ModelConfig,
    *,
    source_size: int,
    target_size: int,
    precision: str = "float32",
    seed: int | jax.Array = 1,
) -> nnx.Module:
    """Makes a model with fresh parameters.

    Args:
      config: which model.
      source_size: pieces in the source vocabulary.
      target_size: pieces in the target vocabulary.
      precision: the compute type of its matmuls, "float32" or "bfloat16".
      seed: of the initial parameters; an array within a compiled function.
    Returns:
      A module that follows `nmt.models.seq2seq.Seq2Seq`.
    """
    return ARCHITECTURES[config.architecture](
        config,
        source_size=source_size,
        target_size=target_size,
        precision=precision,
        rngs=InitialKeys(jax.random.key(seed)),
    )


def split_model(model: nnx.Module) -> tuple[nnx.GraphDef, Params]:
    """Takes a model apart.

    Returns:
      graph: its structure, hashable; functions may close over it.
      params: its arrays in nested plain dicts with string keys, which cost little to pass to a
        compiled function and are what checkpoints hold.
    """
    graph, state = nnx.split(model, nnx.Param)
    return graph, _rename(nnx.to_pure_dict(state), str)


def merge_model(graph: nnx.GraphDef, params: Params) -> nnx.Module:
    """Puts a model together again; cheap, and usable under `jax.jit`."""
    return nnx.merge(graph, _rename(params, lambda key: int(key) if key.isdigit() else key))


def count_parameters(params: Params) -> int:
    """The number of parameters, padding rows of the vocabulary included."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _rename(params: Params, name) -> Params:
    """Renames the keys of nested dicts: members of an `nnx.List` are numbered by integers."""
    return {
        name(key): _rename(value, name) if isinstance(value, dict) else value
        for key, value in params.items()
    }
