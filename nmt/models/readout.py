"""What a recurrent decoder shows of a position before the vocabulary projection."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.config.schema import RecurrentConfig
from nmt.models.linear import linear

Array = jax.Array


class Readout(nnx.Module):
    """The deep output t_i = U_o s + V_o E y_{i-1} + C_o c_i + b, through tanh or maxout.

    Bahdanau et al. (2015), appendix A.2.2, has maxout of pairs (Goodfellow et al. 2013). With tanh
    it is the attentional vector of Luong et al. (2015), equation 5, tanh(W_c [c_i; s_i]), which
    here reads E y_{i-1} too.
    """

    def __init__(
        self, config: RecurrentConfig, context_dim: int, *, precision: str, rngs: nnx.Rngs
    ):
        self.num_units = 2 if config.readout == "maxout" else 1  # of which each feature is made
        out = self.num_units * config.readout_dim
        layer = partial(linear, precision=precision, rngs=rngs)
        self.U_o = layer(config.decoder_dim, out)
        self.V_o = layer(config.embedding_dim, out, use_bias=False)
        self.C_o = layer(context_dim, out, use_bias=False) if context_dim else nnx.data(None)

    def project(self, embedded: Array) -> Array:
        """V_o E y_{i-1}, for all positions at once: embedded (B, Q, E) -> (B, Q, O)."""
        return self.V_o(embedded)

    def __call__(self, state: Array, projected: Array, context: Array | None) -> Array:
        """state (B, Q, H), projected (B, Q, O), context (B, Q, M) or None -> features (B, Q, E)."""
        t = self.U_o(state) + projected
        if self.C_o is not None:
            t = t + self.C_o(context)
        if self.num_units == 1:
            return jnp.tanh(t)
        return t.reshape(*t.shape[:-1], -1, self.num_units).max(axis=-1)
