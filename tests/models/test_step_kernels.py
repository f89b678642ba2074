"""Layers as steps use them: the same function, whatever the form of their kernels."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nmt.models.by_eigen import num_columns
from nmt.models.linear import WIDE, linear
from nmt.models.step_kernels import lay_out_kernels


class TwoLayers(nnx.Module):
    """A wide kernel and a narrow one."""

    def __init__(self, precision):
        rngs = nnx.Rngs(0)
        self.wide = linear(24, (3, WIDE // 2), precision=precision, rngs=rngs)
        self.narrow = linear(WIDE // 2, 8, precision=precision, rngs=rngs)
        self.wide.bias[...] = jnp.linspace(-1, 1, self.wide.bias.size).reshape(3, -1)

    def __call__(self, inputs):
        return self.narrow(jnp.tanh(self.wide(inputs)[..., 1, :]))


def laid_out(model):
    model = nnx.clone(model)
    lay_out_kernels(model)
    return model


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(24,), (5, 24), (2, 3, 24)])
def test_layers_are_the_same_functions(precision, shape, tiles):
    model = TwoLayers(precision)
    inputs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    ours = laid_out(model)(inputs)
    np.testing.assert_allclose(ours, model(inputs), atol=1e-5)


def test_only_wide_kernels_are_padded():
    as_used = laid_out(TwoLayers("float32"))
    assert as_used.wide.kernel.shape == (24, num_columns(3 * WIDE // 2))
    assert as_used.narrow.kernel.shape == (WIDE // 2, 8)


def test_in_bfloat16_kernels_are_cast_and_transposed_once(tiles):
    as_used = laid_out(TwoLayers("bfloat16"))
    assert as_used.wide.kernel.dtype == as_used.narrow.kernel.dtype == jnp.bfloat16
    assert as_used.narrow.kernel.shape == ((8, WIDE // 2) if tiles else (WIDE // 2, 8))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_equal_models_have_equal_graphs(precision, tiles):
    one, other = (nnx.split(laid_out(TwoLayers(precision)))[0] for _ in range(2))
    assert one == other and hash(one) == hash(other)
