"""Several models of one structure as one, whose logits are the mean of theirs.

The softmax of mean logits is the geometric mean of the models' probabilities, normalised: a
log-linear ensemble. With f_m the features, W_m the kernel and b_m the bias of model m of M,

    1/M sum_m (W_m f_m + b_m)  =  [W_1 ... W_M] / M  [f_1; ...; f_M]  +  1/M sum_m b_m

so it is a model like any other, whose features are theirs side by side, and search, scoring and
alignment need not know of it. Its alignment is the mean of theirs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models.build import Params, merge_model, split_model
from nmt.models.seq2seq import CrossAttentions, Decoded, DecoderState, Projection, Seq2Seq

Array = jax.Array


@partial(jax.tree_util.register_dataclass, data_fields=["members"], meta_fields=[])
@dataclass(frozen=True)
class EnsembleState(DecoderState):
    """The state of each model."""

    members: tuple[DecoderState, ...]

    @property
    def is_by_hypothesis(self) -> bool:
        """As those of each."""
        return all(state.is_by_hypothesis for state in self.members)

    def reorder(self, parents: Array) -> "EnsembleState":
        """Each model's own way to do it."""
        return EnsembleState(tuple(state.reorder(parents) for state in self.members))

    def grow(self, max_length: int) -> "EnsembleState":
        """Each model's own way to do it."""
        grown = tuple(state.grow(max_length) for state in self.members)
        is_same = all(new is old for new, old in zip(grown, self.members, strict=True))
        return self if is_same else EnsembleState(grown)


class Ensemble(nnx.Module):
    """Models behind the contract of `nmt.models.seq2seq`, as one."""

    def __init__(self, members: Sequence[Seq2Seq]):
        self.members = nnx.List(members)

    @property
    def cross_attentions(self) -> CrossAttentions | None:
        """As those of each."""
        return self.members[0].cross_attentions

    def projection(self) -> Projection:
        """Kernels side by side, (V, M*E) / M, and the mean bias."""
        projections = [model.projection() for model in self.members]
        kernel = jnp.concatenate([of_one.kernel for of_one in projections], axis=1)
        bias = _mean(of_one.bias for of_one in projections)
        first = projections[0]
        return Projection(kernel / len(projections), bias, first.size, first.precision)

    def for_steps(self) -> "Ensemble":
        """Each model's own way to do it."""
        return Ensemble([model.for_steps() for model in self.members])

    def encode(
        self, source: Array, source_mask: Array, *, dropout_keys: Array | None = None
    ) -> tuple[Any, ...]:
        """source (B, S), source_mask (B, S) -> the memory of each."""
        return tuple(
            model.encode(source, source_mask, dropout_keys=dropout_keys) for model in self.members
        )

    def init_state(
        self, memory: tuple[Any, ...], num_hypotheses: int, max_length: int
    ) -> EnsembleState:
        """The state of each before the first target position."""
        return EnsembleState(
            tuple(
                model.init_state(of_model, num_hypotheses, max_length)
                for model, of_model in zip(self.members, memory, strict=True)
            )
        )

    def step(
        self, state: EnsembleState, memory: tuple[Any, ...], piece: Array, position: Array
    ) -> tuple[EnsembleState, Array, Array | None]:
        """One piece (B, K) per hypothesis -> state, features (B, K, M*E), alignment (B, K, S)."""
        steps = [
            model.step(of_model, its_memory, piece, position)
            for model, of_model, its_memory in zip(self.members, state.members, memory, strict=True)
        ]
        states, features, alignments = zip(*steps, strict=True)
        return EnsembleState(states), jnp.concatenate(features, axis=-1), _mean(alignments)

    def __call__(
        self,
        source: Array,
        source_mask: Array,
        target_in: Array,
        *,
        dropout_keys: Array | None = None,
    ) -> Decoded:
        """Teacher-forced: source (B, S), source_mask (B, S), target_in (B, T) -> Decoded."""
        decoded = [
            model(source, source_mask, target_in, dropout_keys=dropout_keys)
            for model in self.members
        ]
        features = jnp.concatenate([of_one.features for of_one in decoded], axis=-1)
        return Decoded(features, _mean(of_one.alignment for of_one in decoded))

    def align(self, source: Array, source_mask: Array, target_in: Array) -> Array | None:
        """The mean alignment of every layer and head, (B, layers, N, T, S)."""
        return _mean(model.align(source, source_mask, target_in) for model in self.members)


def split_ensemble(graph: nnx.GraphDef, members: Sequence[Params]) -> tuple[nnx.GraphDef, Params]:
    """Makes one model of several that have the same structure.

    Args:
      graph: of each.
      members: the parameters of each.
    Returns:
      graph and params, as `nmt.models.build.split_model` gives those of any model.
    """
    return split_model(Ensemble([merge_model(graph, params) for params in members]))


def _mean(arrays: Iterable[Array | None]) -> Array | None:
    """The mean; None of models that have no such thing."""
    arrays = list(arrays)
    return None if arrays[0] is None else sum(arrays) / len(arrays)
