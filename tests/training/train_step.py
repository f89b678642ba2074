"""A step of training as one function: gradients, then the update."""

import jax.numpy as jnp

from nmt.models.keys import keys_of_sentences


def keys_of(batch, key):
    """The dropout keys of a batch's sentences."""
    return keys_of_sentences(key, jnp.arange(len(batch.source)))


def train_step(trainer, state, batch, key):
    gradients, sums = trainer.gradients(state.params, batch, keys_of(batch, key))
    return trainer.update(state, gradients, sums)
