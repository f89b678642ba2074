"""How a recurrent layer is joined to the layer under it."""

import jax
from flax import nnx

from nmt.config.schema import RecurrentConfig

Array = jax.Array


class Joint(nnx.Module):
    """y = layer(x), or with both options y = x + layer(norm(x)), of a layer above another.

    model.layer_norm normalises what the layer reads, each position by itself, before it is
    projected into the gates: the normalisation of Ba et al. (2016),
    https://arxiv.org/abs/1607.06450. Their own recurrent cells are normalised within the gates;
    between layers every cell can have it and no scan pays for it. model.residual adds what the
    layer reads to what it writes: Wu et al. (2016), https://arxiv.org/abs/1609.08144, section 3.1,
    for stacked LSTMs. With both, the sum itself is never normalised, as in the pre-norm Transformer
    (Xiong et al. 2020). The bottom layer reads embeddings and has neither.
    """

    def __init__(self, config: RecurrentConfig, dim: int, *, rngs: nnx.Rngs):
        self.norm = (
            nnx.LayerNorm(dim, epsilon=1e-5, rngs=rngs) if config.layer_norm else nnx.data(None)
        )
        self.residual = config.residual

    def before(self, below: Array) -> Array:
        """What the layer reads, (..., H), of the output x of the layer below."""
        return below if self.norm is None else self.norm(below)

    def after(self, below: Array, output: Array) -> Array:
        """What the layer gives, (..., H), of x and its own output."""
        return below + output if self.residual else output
