"""The Transformer behind the contract of `nmt.models.seq2seq`.

Vaswani et al. (2017), https://arxiv.org/abs/1706.03762.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.config.schema import TransformerConfig
from nmt.models.dropout import dropout, split_keys
from nmt.models.embedding import Embedding, VocabularyProjection
from nmt.models.key_value_cache import Cache
from nmt.models.seq2seq import (
    CrossAttentions,
    Decoded,
    DecoderState,
    Projection,
    choose_alignment,
    gather_hypotheses,
)
from nmt.models.step_kernels import lay_out_kernels
from nmt.models.transformer_layers import Apart, DecoderLayer, EncoderLayer, Stack, sinusoids

Array = jax.Array


class TransformerMemory(NamedTuple):
    """What the encoder leaves behind, once per sentence.

    Attributes:
      source_mask: (B, S).
      keys_values: keys and values of the source for each decoder layer, each (B, N, S, d).
    """

    source_mask: Array
    keys_values: tuple[tuple[Array, Array], ...]


@partial(jax.tree_util.register_dataclass, data_fields=["caches", "ancestors"], meta_fields=[])
@dataclass(frozen=True)
class TransformerState(DecoderState):
    """Keys and values of the positions so far, written once and never moved.

    A hypothesis that goes on from another one needs what was written by the ancestors of that one:
    which they are is all that `reorder` changes.

    Attributes:
      caches: of each decoder layer, with room for L positions.
      ancestors: (B, K, L), which hypothesis wrote each position of this one.
    """

    caches: tuple[Cache, ...]
    ancestors: Array

    @property
    def is_by_hypothesis(self) -> bool:
        """No: each reads what others wrote."""
        return False

    def reorder(self, parents: Array) -> "TransformerState":
        """Lets hypothesis k go on from hypothesis parents[b, k]; parents (B, K)."""
        return replace(self, ancestors=gather_hypotheses(self.ancestors, parents))

    def grow(self, max_length: int) -> "TransformerState":
        """Makes room for `max_length` positions."""
        _, num_hypotheses, length = self.ancestors.shape
        return TransformerState(
            tuple(cache.with_room(max_length * num_hypotheses) for cache in self.caches),
            jnp.pad(self.ancestors, [(0, 0), (0, 0), (0, max_length - length)]),
        )


class TransformerSeq2Seq(nnx.Module):
    """Encoder and decoder stacks."""

    def __init__(
        self,
        config: TransformerConfig,
        *,
        source_size: int,
        target_size: int,
        precision: str,
        rngs: nnx.Rngs,
    ):
        self.config = config
        dim = config.model_dim
        # Scaled by sqrt(D) on the way in, an embedding of this size starts with unit variance.
        stddev = dim**-0.5
        new_embedding = partial(Embedding, dim=dim, stddev=stddev, rngs=rngs)
        self.target_embedding = new_embedding(target_size)
        self.source_embedding = (
            nnx.data(None) if config.share_embeddings else new_embedding(source_size)
        )
        new_layer = partial(EncoderLayer, config, precision=precision, rngs=rngs)
        self.encoder = Stack(new_layer, config.encoder_layers)
        new_layer = partial(DecoderLayer, config, precision=precision, rngs=rngs)
        self.decoder = Stack(new_layer, config.decoder_layers)
        pre = config.norm == "pre"  # whose sums are never normalised on the way
        new_norm = partial(nnx.LayerNorm, dim, epsilon=1e-5, rngs=rngs)
        self.encoder_norm = new_norm() if pre else nnx.data(None)
        self.decoder_norm = new_norm() if pre else nnx.data(None)
        self.output = VocabularyProjection(
            target_size, dim, tied=config.tie_projection, precision=precision, rngs=rngs
        )

    @property
    def cross_attentions(self) -> CrossAttentions:
        """Every decoder layer attends."""
        config = self.config
        layer = max(config.alignment_layer, -config.decoder_layers) % config.decoder_layers
        return CrossAttentions(
            config.decoder_layers,
            config.num_heads,
            layer=layer,
            head=config.alignment_head,
            rows_to_read=1,
        )

    def projection(self) -> Projection:
        """The vocabulary projection."""
        return self.output(self.target_embedding)

    def for_steps(self) -> "TransformerSeq2Seq":
        """The decoder alone, its layers taken out of their stack."""
        model = nnx.clone(self)
        model.source_embedding = model.encoder = model.encoder_norm = nnx.data(None)
        model.output = nnx.data(None)
        model.decoder = Apart(model.decoder)
        lay_out_kernels(model)
        return model

    def encode(
        self, source: Array, source_mask: Array, *, dropout_keys: Array | None = None
    ) -> TransformerMemory:
        """source (B, S), source_mask (B, S) -> memory."""
        annotations = self._annotate(source, source_mask, dropout_keys)
        keys_values = tuple(
            layer.cross_attention.project(annotations) for layer in self.decoder.unstacked()
        )
        return TransformerMemory(source_mask, keys_values)

    def init_state(
        self, memory: TransformerMemory, num_hypotheses: int, max_length: int
    ) -> TransformerState:
        """Empty caches for `max_length` target positions."""

        caches = tuple(
            Cache.empty(keys, num_hypotheses, max_length) for keys, _ in memory.keys_values
        )
        ancestors = jnp.zeros((len(memory.source_mask), num_hypotheses, max_length), jnp.int32)
        return TransformerState(caches, ancestors)

    def step(
        self, state: TransformerState, memory: TransformerMemory, piece: Array, position: Array
    ) -> tuple[TransformerState, Array, Array]:
        """One piece (B, K) per hypothesis -> state, features (B, K, D), alignment (B, K, S)."""
        x, caches, alignments = self._embed(self.target_embedding, piece, position), [], []
        batch, num_hypotheses, length = state.ancestors.shape
        hypotheses, positions = jnp.arange(num_hypotheses), jnp.arange(length)
        ancestors = jnp.where(positions == position, hypotheses[:, None], state.ancestors)  # B K L
        is_own = ancestors[..., None] == hypotheses  # B K L K
        is_own &= (positions <= position)[:, None]
        is_own = is_own.reshape(batch, num_hypotheses, -1)
        for layer, cache, keys_values in zip(
            self.decoder.unstacked(), state.caches, memory.keys_values, strict=True
        ):
            x, cache, alignment = layer.step(
                x, cache, is_own, keys_values, memory.source_mask, position
            )
            caches.append(cache)
            alignments.append(alignment)  # B N K S
        features = self.decoder_norm(x) if self.decoder_norm is not None else x
        alignment = self._choose(jnp.stack(alignments, axis=1))
        return TransformerState(tuple(caches), ancestors), features, alignment

    def __call__(
        self,
        source: Array,
        source_mask: Array,
        target_in: Array,
        *,
        dropout_keys: Array | None = None,
    ) -> Decoded:
        """Teacher-forced: source (B, S), source_mask (B, S), target_in (B, T) -> Decoded."""
        features, alignments = self._decode(source, source_mask, target_in, dropout_keys)
        return Decoded(features, self._choose(alignments))

    def align(self, source: Array, source_mask: Array, target_in: Array) -> Array:
        """The alignment of every layer and head, (B, layers, N, T, S)."""
        _, alignments = self._decode(source, source_mask, target_in, None)
        return alignments

    def _annotate(self, source: Array, source_mask: Array, dropout_keys: Array | None) -> Array:
        """source (B, S) -> annotations (B, S, D)."""
        embedding_keys, layers_keys = split_keys(dropout_keys, 2)
        embedding = self.source_embedding or self.target_embedding
        x = self._embed(embedding, source, jnp.arange(source.shape[1]), embedding_keys)
        x, _ = self.encoder.scan(
            lambda layer, x, keys: (layer(x, source_mask, keys), None), x, layers_keys
        )
        return x if self.encoder_norm is None else self.encoder_norm(x)

    def _decode(self, source, source_mask, target_in, dropout_keys):
        """-> features (B, T, D), alignments (B, layers, N, T, S)."""
        encoder_keys, embedding_keys, layers_keys = split_keys(dropout_keys, 3)
        annotations = self._annotate(source, source_mask, encoder_keys)
        positions = jnp.arange(target_in.shape[1])
        x = self._embed(self.target_embedding, target_in, positions, embedding_keys)
        x, alignments = self.decoder.scan(
            lambda layer, x, keys: layer(x, annotations, source_mask, keys), x, layers_keys
        )
        features = x if self.decoder_norm is None else self.decoder_norm(x)
        return features, alignments.swapaxes(0, 1)

    def _embed(self, embedding, ids, positions, dropout_keys=None) -> Array:
        """ids (...), positions broadcast to (...) -> (..., D): sections 3.4 and 3.5."""
        config = self.config
        scale = config.model_dim**0.5 if config.scale_embeddings else 1.0
        x = embedding(ids) * scale + sinusoids(positions, config.model_dim, config.sinusoids)
        return dropout(x, config.dropout, dropout_keys)

    def _choose(self, alignments: Array) -> Array:
        """alignments (B, layers, N, T, S) -> that of the alignment layer and head(s), (B, T, S)."""
        chosen = self.cross_attentions
        return choose_alignment(alignments, chosen.layer, chosen.head)
