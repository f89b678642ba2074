"""Dropout whose masks are drawn from an explicit key, for all positions at once."""

import jax
import jax.numpy as jnp

Array = jax.Array


def dropout(inputs: Array, rate: float, key: Array | None) -> Array:
    """Zeroes a share `rate` of the inputs and scales up the rest: Srivastava et al. (2014).

    Args:
      inputs: of any shape.
      rate: the share to zero, at least 0 and below 1.
      key: of this mask; None (as at test time) leaves the inputs as they are.
    """
    return drop(inputs, rate, draw_mask(inputs.shape, rate, key))


def draw_mask(shape: tuple[int, ...], rate: float, key: Array | None) -> Array | None:
    """Which elements are kept, for `drop`; None for all: without a key, or at rate 0.

    `nnx.Dropout` draws 32 random bits an element; 16 decide as well at half the cost. The rate is
    rounded to a multiple of 2^-16.
    """
    threshold = _threshold(rate)
    if key is None or threshold == 0:
        return None
    return jax.random.bits(key, shape, jnp.uint16) >= threshold


def drop(inputs: Array, rate: float, keep: Array | None) -> Array:
    """Zeroes what a mask of `draw_mask` does not keep and scales up the rest.

    The scale fits the rounded rate, so the mean is kept.
    """
    if keep is None:
        return inputs
    return jnp.where(keep, inputs * (2**16 / (2**16 - _threshold(rate))), 0.0)


def _threshold(rate: float) -> int:
    return min(round(rate * 2**16), 2**16 - 1)


def split_key(key: Array | None, num_keys: int) -> list[Array | None]:
    """Splits a dropout key that may be None."""
    return [None] * num_keys if key is None else list(jax.random.split(key, num_keys))
