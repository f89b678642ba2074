"""The Transformer's layers, and a stack of them that compiles as one.

Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 3.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.config.schema import TransformerConfig
from nmt.models.attention import dot_product_attention, fused_attention
from nmt.models.dropout import dropout, split_keys
from nmt.models.key_value_cache import Cache
from nmt.models.linear import linear
from nmt.models.rematerialization import keeping_products

Array = jax.Array
ACTIVATIONS = {"relu": jax.nn.relu, "gelu": jax.nn.gelu, "swish": jax.nn.swish}


def sinusoids(positions: Array, dim: int, layout: str) -> Array:
    """PE(p, 2i) = sin(p / 10000^(2i/D)), PE(p, 2i+1) = cos of the same: section 3.5.

    Args:
      positions: (...), integers from 0.
      dim: D, even.
      layout: "interleaved" as published, or "halves": all sines before all cosines.
    Returns:
      (..., D).
    """
    rates = 10000.0 ** (-2 * jnp.arange(dim // 2) / dim)
    angles = positions[..., None] * rates  # (..., D/2)
    sines, cosines = jnp.sin(angles), jnp.cos(angles)
    if layout == "halves":
        return jnp.concatenate([sines, cosines], axis=-1)
    return jnp.stack([sines, cosines], axis=-1).reshape(*positions.shape, dim)


def joined(context: Array) -> Array:
    """The heads of a context side by side, (B, N, Q, d) -> (B, Q, D)."""
    batch, _, queries, _ = context.shape
    return context.swapaxes(1, 2).reshape(batch, queries, -1)


class SelfAttention(nnx.Module):
    """Multi-head attention of a sequence to itself: section 3.2.2."""

    def __init__(self, config: TransformerConfig, *, precision: str, rngs: nnx.Rngs):
        self.config, self.precision = config, precision
        dim, heads = config.model_dim, config.num_heads
        layer = partial(linear, precision=precision, rngs=rngs)
        self.queries_keys_values = layer(dim, (3, heads, dim // heads), blocks=3)
        self.out = layer(dim, dim)
        self.implementation = "einsum"  # see `nmt.models.execution.with_fused_attention`

    def __call__(self, inputs: Array, mask: Array | None, dropout_keys: Array | None) -> Array:
        """All positions of a sequence to one another.

        Args:
          inputs: (B, T, D).
          mask: (B, T), True on real positions, the first ones of each sequence, to which all may
            look; None where each looks at those up to its own.
          dropout_keys: (B,), of the weights.
        Returns:
          (B, T, D).
        """
        projected = self.project(inputs)
        if self.implementation == "einsum":
            causal = jnp.tril(jnp.ones((inputs.shape[1],) * 2, bool))
            allowed = causal if mask is None else mask[:, None, None]
            return self.attend(*projected, allowed, dropout_keys)
        lengths = None if mask is None else mask.sum(axis=1, dtype=jnp.int32)
        context = fused_attention(
            *projected, lengths, causal=mask is None, implementation=self.implementation
        )
        return self.out(joined(context))

    def project(self, inputs: Array) -> tuple[Array, Array, Array]:
        """inputs (B, T, D) -> queries, keys, values, each (B, N, T, d)."""
        projected = self.queries_keys_values(inputs)
        queries, keys, values = (projected[..., i, :, :].swapaxes(1, 2) for i in range(3))
        return queries, keys, values

    def attend(self, queries, keys, values, mask, dropout_keys: Array | None = None) -> Array:
        """queries (B, N, Q, d), keys and values (B, N, T, d), mask to (B, N, Q, T) -> (B, Q, D)."""
        rate = self.config.attention_dropout
        context, _ = dot_product_attention(
            queries, keys, values, mask, self.precision, rate=rate, dropout_keys=dropout_keys
        )
        return self.out(joined(context))


class CrossAttention(nnx.Module):
    """Multi-head attention of target positions to the source: section 3.2.3."""

    def __init__(self, config: TransformerConfig, *, precision: str, rngs: nnx.Rngs):
        self.config, self.precision = config, precision
        dim, heads = config.model_dim, config.num_heads
        layer = partial(linear, precision=precision, rngs=rngs)
        self.queries = layer(dim, (heads, dim // heads))
        self.keys_values = layer(dim, (2, heads, dim // heads), blocks=2)
        self.out = layer(dim, dim)

    def project(self, annotations: Array) -> tuple[Array, Array]:
        """annotations (B, S, D) -> keys, values, each (B, N, S, d); once per sentence."""
        projected = self.keys_values(annotations)
        keys, values = (projected[..., i, :, :].swapaxes(1, 2) for i in range(2))
        return keys, values

    def __call__(self, inputs, keys, values, source_mask, dropout_keys: Array | None = None):
        """inputs (B, Q, D), source_mask (B, S) -> (B, Q, D), alignment (B, N, Q, S)."""
        rate = self.config.attention_dropout
        context, alignment = dot_product_attention(
            self.queries(inputs).swapaxes(1, 2),
            keys,
            values,
            source_mask[:, None, None],
            self.precision,
            rate=rate,
            dropout_keys=dropout_keys,
        )
        return self.out(joined(context)), alignment


class FeedForward(nnx.Module):
    """W_2 activation(W_1 x + b_1) + b_2, position by position: section 3.3."""

    def __init__(self, config: TransformerConfig, *, precision: str, rngs: nnx.Rngs):
        self.activation = config.activation
        layer = partial(linear, precision=precision, rngs=rngs)
        self.W_1 = layer(config.model_dim, config.feedforward_dim)
        self.W_2 = layer(config.feedforward_dim, config.model_dim)

    def __call__(self, inputs: Array) -> Array:
        """(B, T, D) -> (B, T, D)."""
        return self.W_2(ACTIVATIONS[self.activation](self.W_1(inputs)))


class Residual(nnx.Module):
    """x + sublayer(x) with its normalisation: behind the sum as published, or before the sublayer.

    Pre-norm: Xiong et al. (2020), https://arxiv.org/abs/2002.04745. Dropout acts on the sublayer's
    output (section 5.4).
    """

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.norm = nnx.LayerNorm(config.model_dim, epsilon=1e-5, rngs=rngs)
        self.pre, self.dropout = config.norm == "pre", config.dropout

    def before(self, inputs: Array) -> Array:
        """What the sublayer sees, (B, T, D)."""
        return self.norm(inputs) if self.pre else inputs

    def after(self, inputs: Array, outputs: Array, dropout_keys: Array | None) -> Array:
        """The sublayer's outputs joined to its inputs, (B, T, D)."""
        total = inputs + dropout(outputs, self.dropout, dropout_keys)
        return total if self.pre else self.norm(total)


class EncoderLayer(nnx.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: TransformerConfig, *, precision: str, rngs: nnx.Rngs):
        self.attention = SelfAttention(config, precision=precision, rngs=rngs)
        self.feedforward = FeedForward(config, precision=precision, rngs=rngs)
        self.attention_residual = Residual(config, rngs=rngs)
        self.feedforward_residual = Residual(config, rngs=rngs)

    def __call__(self, x: Array, source_mask: Array, dropout_keys: Array | None) -> Array:
        """x (B, S, D), source_mask (B, S) -> (B, S, D)."""
        weights_keys, attention_keys, feedforward_keys = split_keys(dropout_keys, 3)
        attended = self.attention(self.attention_residual.before(x), source_mask, weights_keys)
        x = self.attention_residual.after(x, attended, attention_keys)
        outputs = self.feedforward(self.feedforward_residual.before(x))
        return self.feedforward_residual.after(x, outputs, feedforward_keys)


class DecoderLayer(nnx.Module):
    """Self-attention to the positions so far, attention to the source, then feed-forward."""

    def __init__(self, config: TransformerConfig, *, precision: str, rngs: nnx.Rngs):
        self.attention = SelfAttention(config, precision=precision, rngs=rngs)
        self.cross_attention = CrossAttention(config, precision=precision, rngs=rngs)
        self.feedforward = FeedForward(config, precision=precision, rngs=rngs)
        self.attention_residual = Residual(config, rngs=rngs)
        self.cross_residual = Residual(config, rngs=rngs)
        self.feedforward_residual = Residual(config, rngs=rngs)

    def __call__(
        self, x: Array, annotations: Array, source_mask: Array, dropout_keys: Array | None
    ):
        """x (B, T, D), annotations (B, S, D) -> (B, T, D), alignment (B, N, T, S)."""
        weights_keys, *keys = split_keys(dropout_keys, 5)
        attended = self.attention(self.attention_residual.before(x), None, weights_keys)
        return self.rest(x, attended, self.cross_attention.project(annotations), source_mask, keys)

    def step(
        self,
        x: Array,
        cache: Cache,
        is_own: Array,
        memory: tuple,
        source_mask: Array,
        position: Array,
    ):
        """One position of each hypothesis.

        Args:
          x: (B, K, D).
          cache: of the positions before.
          is_own: (B, K, L*K), which slots of the cache each hypothesis goes on from, those of this
            position included.
          memory: keys and values of the source, each (B, N, S, d).
          source_mask: (B, S).
          position: (), from 0.
        Returns:
          outputs (B, K, D), the cache with this position in it, alignment (B, N, K, S).
        """
        queries, *now = self.attention.project(self.attention_residual.before(x))  # B N K d
        cache = cache.with_position(*now, position)
        # All slots of a sentence, in one matmul for all of its hypotheses, cost less than moving
        # those of each into a place of its own.
        attended = self.attention.attend(queries, *cache.slots(), is_own[:, None])
        outputs, alignment = self.rest(x, attended, memory, source_mask, [None] * 4)
        return outputs, cache, alignment

    def rest(self, x: Array, attended: Array, memory: tuple, source_mask: Array, keys: list):
        """What follows self-attention, the same for all positions at once and one by one."""
        attention_keys, weights_keys, cross_keys, feedforward_keys = keys
        x = self.attention_residual.after(x, attended, attention_keys)
        inputs = self.cross_residual.before(x)
        attended, alignment = self.cross_attention(inputs, *memory, source_mask, weights_keys)
        x = self.cross_residual.after(x, attended, cross_keys)
        outputs = self.feedforward(self.feedforward_residual.before(x))
        return self.feedforward_residual.after(x, outputs, feedforward_keys), alignment


class Stack(nnx.Module):
    """Layers of one kind whose parameters are stacked: each array has the layers in front.

    A `lax.scan` over them traces one layer, whatever their number, and compiles one too where it is
    not unrolled.
    """

    def __init__(self, new_layer: Callable[[], nnx.Module], num_layers: int):
        layers = [new_layer() for _ in range(num_layers)]
        states = [nnx.state(layer) for layer in layers]
        nnx.update(layers[0], jax.tree.map(lambda *leaves: jnp.stack(leaves), *states))
        self.layers = layers[0]  # a layer in form, with stacked arrays
        self.num_layers = num_layers
        self.unroll = 1  # see `nmt.models.execution.unrolled`

    def scan(self, apply: Callable[..., Any], x: Array, dropout_keys: Array | None):
        """x = apply(layer, x, keys) -> (x, y) for each layer in turn; returns the last x, all y."""
        graph, stacked = nnx.split(self.layers)
        keys = None
        if dropout_keys is not None:
            keys = jnp.stack(split_keys(dropout_keys, self.num_layers))

        def step(x, now):
            params, keys = now
            return apply(nnx.merge(graph, params), x, keys)

        return jax.lax.scan(keeping_products(step), x, (stacked, keys), unroll=self.unroll)

    def unstacked(self) -> list[nnx.Module]:
        """The layers one by one."""
        graph, stacked = nnx.split(self.layers)
        return [
            nnx.merge(graph, jax.tree.map(lambda leaf, i=i: leaf[i], stacked))
            for i in range(self.num_layers)
        ]


class Apart(nnx.Module):
    """The layers of a stack, taken out of it once: a loop over them need not cut them out anew."""

    def __init__(self, stack: Stack):
        self.layers = nnx.List(stack.unstacked())

    def unstacked(self) -> list[nnx.Module]:
        """The layers one by one."""
        return list(self.layers)
