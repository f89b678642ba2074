"""The keys of fresh parameters are those of flax."""

import jax
import numpy as np
from flax import nnx

from nmt.models.keys import InitialKeys


def test_keys_are_those_of_flax_in_their_order():
    ours, theirs = InitialKeys(jax.random.key(7)), nnx.Rngs(jax.random.key(7))
    for _ in range(3):
        same = [jax.random.key_data(keys.params()) for keys in (ours, theirs)]
        np.testing.assert_array_equal(*same)
