"""How a recurrent decoder attends to the source, behind one contract.

    keys(annotations)                                     (B, S, M) -> (B, S, ...), once a sentence
    attention(queries, keys, annotations, source_mask)    -> context (B, Q, M), alignment (B, Q, S)
    attention.everywhere(the same)                        the same, of many queries

Queries are (B, Q, H): Q is the number of hypotheses in search and one in a recurrence that attends;
it is the number of target positions in a forced pass whose recurrence does not need the context,
and that is what `everywhere` is for. The alignment is alpha_i = softmax_j(e_ij), the context
c_i = sum_j alpha_ij h_j, and the energies are

    additive    v_a . tanh(W_a s_i + U_a h_j + b)    Bahdanau et al. (2015), appendix A.1.2
    concat      v_a . tanh(W_a [s_i; h_j])           Luong et al. (2015), section 3.1
    dot         s_i . h_j                            the same
    general     s_i . W_a h_j                        the same

https://arxiv.org/abs/1409.0473 and https://arxiv.org/abs/1508.04025. What the query s_i is (the
state before or behind an update, of which layer) is the decoder's choice.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.config.schema import RecurrentConfig
from nmt.models.attention import masked_softmax
from nmt.models.linear import einsum, linear

Array = jax.Array
# Activations of a hidden layer that are made at once in a forced pass: 4 MiB, which stay in a
# processor's cache. With gradients, on one core, 64 sentences of 16 positions each way and 512
# units take 13 ms so and 46 ms at once; 20 sentences of 50 positions 31 and 137 ms.
AT_ONCE = 2**20


class _HiddenLayerAttention(nnx.Module):
    """e_ij = v_a . tanh(W_a s_i + U_a h_j [+ b]): one hidden layer, of `width` units."""

    def __init__(
        self,
        config: RecurrentConfig,
        annotation_dim: int,
        width: int,
        *,
        use_bias: bool,
        precision: str,
        rngs: nnx.Rngs,
    ):
        # Bahdanau et al. draw W_a and U_a from N(0, 0.001^2) and set v_a to zero, for which e_ij
        # and the gradient of W_a and U_a start at zero. Glorot's scale starts learning sooner.
        layer = partial(linear, precision=precision, rngs=rngs)
        self.W_a = layer(config.decoder_dim, width, use_bias=False)
        self.U_a = layer(annotation_dim, width, use_bias=use_bias)
        self.v_a = nnx.Param(nnx.initializers.glorot_uniform()(rngs.params(), (width, 1))[:, 0])

    def keys(self, annotations: Array) -> Array:
        """U_a h_j [+ b] for all source positions: annotations (B, S, M) -> (B, S, A)."""
        return self.U_a(annotations)

    def __call__(
        self, queries: Array, keys: Array, annotations: Array, source_mask: Array
    ) -> tuple[Array, Array]:
        """Attends from each query to every source position.

        Args:
          queries: s_i, (B, Q, H).
          keys: of `keys`, (B, S, A); computed once per sentence.
          annotations: h_j, (B, S, M).
          source_mask: (B, S), True on real positions, at least one in every row.
        Returns:
          context: c_i = sum_j alpha_ij h_j, (B, Q, M).
          alignment: alpha_i = softmax_j(e_ij), (B, Q, S), zero on padding.
        """
        energies = _hidden_layer_energies(self.W_a(queries), keys, self.v_a[...])  # B Q S
        return _weighed(energies, annotations, source_mask, "float32")

    def everywhere(
        self, queries: Array, keys: Array, annotations: Array, source_mask: Array
    ) -> tuple[Array, Array]:
        """The same, a few queries at a time."""
        weights = self.v_a[...]

        def of_query(query):  # (B, A) -> (B, S)
            return _hidden_layer_energies(query[:, None], keys, weights)[:, 0]

        query_major = self.W_a(queries).swapaxes(0, 1)  # Q B A
        num_at_once = min(max(AT_ONCE // keys.size, 1), len(query_major))
        energies = jax.lax.map(of_query, query_major, batch_size=num_at_once)  # Q B S
        return _weighed(energies.swapaxes(0, 1), annotations, source_mask, "float32")


@partial(jax.checkpoint, prevent_cse=False)  # kept for every position they would be (B, T, S, A)
def _hidden_layer_energies(queries: Array, keys: Array, weights: Array) -> Array:
    """queries W_a s_i (B, Q, A), keys (B, S, A), weights v_a (A,) -> energies (B, Q, S)."""
    activations = jnp.tanh(queries[:, :, None] + keys[:, None])  # B Q S A
    # Bound by memory, not arithmetic: rounded operands would not pay, nor for the context.
    return einsum("bqsa,a->bqs", activations, weights, "float32")


def _weighed(
    energies: Array, annotations: Array, source_mask: Array, precision: str
) -> tuple[Array, Array]:
    """Energies (B, Q, S), annotations (B, S, M), source_mask (B, S) -> context, alignment."""
    alignment = masked_softmax(energies, source_mask[:, None])  # B Q S
    return einsum("bqs,bsm->bqm", alignment, annotations, precision), alignment


class AdditiveAttention(_HiddenLayerAttention):
    """e_ij = v_a . tanh(W_a s_i + U_a h_j + b): Bahdanau et al. (2015), appendix A.1.2.

    The appendix leaves out all biases "to increase the readability" of its equations; here U_a
    holds this one.
    """

    def __init__(
        self, config: RecurrentConfig, annotation_dim: int, *, precision: str, rngs: nnx.Rngs
    ):
        width = config.alignment_dim
        super().__init__(
            config, annotation_dim, width, use_bias=True, precision=precision, rngs=rngs
        )


class ConcatAttention(_HiddenLayerAttention):
    """e_ij = v_a . tanh(W_a [s_i; h_j]): Luong et al. (2015), section 3.1.

    The product with a concatenation is the sum of two products, so this is the function of additive
    attention without its bias. It is a choice of its own because the paper names and compares it as
    one, and gives it no size to choose: its hidden layer is as wide as the decoder's state. The
    matrix is held in two, W_a for s_i and U_a for h_j, so that the second meets each annotation
    once a sentence.
    """

    def __init__(
        self, config: RecurrentConfig, annotation_dim: int, *, precision: str, rngs: nnx.Rngs
    ):
        width = config.decoder_dim
        super().__init__(
            config, annotation_dim, width, use_bias=False, precision=precision, rngs=rngs
        )


class DotAttention(nnx.Module):
    """e_ij = s_i . h_j: Luong et al. (2015), section 3.1.

    It has no parameters; annotations must be as wide as the decoder's state.
    """

    def __init__(
        self, config: RecurrentConfig, annotation_dim: int, *, precision: str, rngs: nnx.Rngs
    ):
        assert annotation_dim == config.decoder_dim
        self.precision = precision

    def keys(self, annotations: Array) -> Array:
        """The annotations themselves."""
        return annotations

    def __call__(
        self, queries: Array, keys: Array, annotations: Array, source_mask: Array
    ) -> tuple[Array, Array]:
        """queries (B, Q, H), keys (B, S, H), annotations (B, S, M) -> context, alignment."""
        energies = einsum("bqh,bsh->bqs", queries, keys, self.precision)
        return _weighed(energies, annotations, source_mask, self.precision)

    everywhere = __call__  # matmuls, whose operands are all that there is to keep


class GeneralAttention(DotAttention):
    """e_ij = s_i . W_a h_j: Luong et al. (2015), section 3.1."""

    def __init__(
        self, config: RecurrentConfig, annotation_dim: int, *, precision: str, rngs: nnx.Rngs
    ):
        self.precision = precision
        self.W_a = linear(
            annotation_dim, config.decoder_dim, use_bias=False, precision=precision, rngs=rngs
        )

    def keys(self, annotations: Array) -> Array:
        """W_a h_j for all source positions: annotations (B, S, M) -> (B, S, H)."""
        return self.W_a(annotations)


ATTENTIONS = {
    "additive": AdditiveAttention,
    "dot": DotAttention,
    "general": GeneralAttention,
    "concat": ConcatAttention,
}
