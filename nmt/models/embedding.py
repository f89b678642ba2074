"""Embeddings of pieces, and the vocabulary projection, tied to them or not."""

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.models.seq2seq import Projection, padded_size

Array = jax.Array


class Embedding(nnx.Module):
    """A table of piece vectors, its rows padded to an odd multiple of 128."""

    def __init__(self, size: int, dim: int, *, stddev: float, rngs: nnx.Rngs):
        initial = stddev * jax.random.normal(rngs.params(), (padded_size(size), dim))
        self.table = nnx.Param(initial)
        self.size = size

    def __call__(self, ids: Array) -> Array:
        """ids (...) -> (..., E)."""
        return self.table[...][ids]


class VocabularyProjection(nnx.Module):
    """Features to logits: a bias, and a kernel of its own unless it is tied to an embedding."""

    def __init__(self, size: int, features_dim: int, *, tied: bool, precision: str, rngs: nnx.Rngs):
        rows = padded_size(size)
        self.size = size
        self.precision = precision
        self.bias = nnx.Param(jnp.zeros(rows))
        self.kernel = (
            nnx.data(None)
            if tied
            else nnx.Param(nnx.initializers.glorot_uniform()(rngs.params(), (rows, features_dim)))
        )

    def __call__(self, embedding: Embedding) -> Projection:
        """The projection as search and loss take it."""
        kernel = embedding.table[...] if self.kernel is None else self.kernel[...]
        return Projection(kernel, self.bias[...], self.size, self.precision)
