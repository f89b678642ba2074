"""Dropout whose masks are drawn from explicit keys, for all positions at once.

Each sentence has a key of its own, so that its mask depends neither on the sentences beside it nor
on how many devices share the batch. None in place of the keys is no dropout, as at test time.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp

Array = jax.Array


def dropout(inputs: Array, rate: float, keys: Array | None) -> Array:
    """Zeroes a share `rate` of the inputs and scales up the rest: Srivastava et al. (2014).

    Args:
      inputs: (B, ...).
      rate: the share to zero, at least 0 and below 1.
      keys: (B,), of this mask; None leaves the inputs as they are.
    """
    return drop(inputs, rate, draw_mask(inputs.shape, rate, keys))


def draw_mask(shape: tuple[int, ...], rate: float, keys: Array | None) -> Array | None:
    """Which elements of (B, ...) are kept, for `drop`; None for all: without keys, or at rate 0.

    16 random bits decide on an element, so the rate is rounded to a multiple of 2^-16. As
    `nnx.Dropout` and `jax.random.bits` draw them, whatever their number, each element takes a hash
    of Threefry, which makes 64; here it takes a quarter of one.
    """
    threshold = _threshold(rate)
    if keys is None or threshold == 0:
        return None
    size = math.prod(shape[1:])
    least = jnp.uint32(threshold << 16)
    halves = [half for word in _random_words(keys, -(-size // 4)) for half in (word, word << 16)]
    keep = jnp.concatenate([half >= least for half in halves], axis=1)  # B, at least `size`
    return keep[:, :size].reshape(shape)


def _random_words(keys: Array, number: int) -> tuple[Array, Array]:
    """Random bits from keys (B,), as uint32: two (B, number).

    They are the data of keys, for in splitting a key nothing of a hash is lost. A key of the "rbg"
    generators holds its two words twice.
    """
    data = jax.random.key_data(jax.vmap(partial(jax.random.split, num=number))(keys))
    return data[..., 0], data[..., 1]


def drop(inputs: Array, rate: float, keep: Array | None) -> Array:
    """Zeroes what a mask of `draw_mask` does not keep and scales up the rest.

    The scale fits the rounded rate, so the mean is kept.
    """
    if keep is None:
        return inputs
    return jnp.where(keep, inputs * (2**16 / (2**16 - _threshold(rate))), 0.0)


def _threshold(rate: float) -> int:
    return min(round(rate * 2**16), 2**16 - 1)


def split_keys(keys: Array | None, number: int) -> list[Array | None]:
    """Splits the keys (B,) of sentences, or None, into as many of each; each (B,)."""
    if keys is None:
        return [None] * number
    return list(jax.vmap(partial(jax.random.split, num=number), out_axes=1)(keys))
