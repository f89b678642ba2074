"""Dropout whose masks are drawn from an explicit key, for all positions at once."""

import jax
import jax.numpy as jnp

Array = jax.Array


def dropout(inputs: Array, rate: float, key: Array | None) -> Array:
    """Zeroes a share `rate` of the inputs and scales up the rest: Srivastava et al. (2014).

    `nnx.Dropout` draws 32 random bits an element; 16 decide as well at half the cost. The rate is
    rounded to a multiple of 2^-16 and the scale fits the rounded rate, so the mean is kept.

    Args:
      inputs: of any shape.
      rate: the share to zero, at least 0 and below 1.
      key: of this mask; None (as at test time) leaves the inputs as they are.
    """
    threshold = min(round(rate * 2**16), 2**16 - 1)
    if key is None or threshold == 0:
        return inputs
    keep = jax.random.bits(key, inputs.shape, jnp.uint16) >= threshold
    return jnp.where(keep, inputs * (2**16 / (2**16 - threshold)), 0.0)


def split_key(key: Array | None, num_keys: int) -> list[Array | None]:
    """Splits a dropout key that may be None."""
    return [None] * num_keys if key is None else list(jax.random.split(key, num_keys))
