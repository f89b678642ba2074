"""Random keys: of fresh parameters, and of sentences."""

from functools import partial

import jax

Array = jax.Array


class InitialKeys:
    """Gives the keys that `nnx.Rngs(key)` gives, in its place where a module is made.

    It counts in Python. `nnx.Rngs` counts in an array. Each time that it is set under a trace, jax
    writes an error message about all of the trace so far, which nobody sees: that took most of the
    time in which a large model is built.
    """

    def __init__(self, key: Array):
        self._key, self._count = key, 0

    def params(self) -> Array:
        """The next key."""
        key = jax.random.fold_in(self._key, self._count)
        self._count += 1
        return key


def keys_of_sentences(key: Array, numbers: Array) -> Array:
    """One key for each sentence, from `key` () and its number alone: numbers (B,) -> (B,)."""
    return jax.vmap(partial(jax.random.fold_in, key))(numbers)
