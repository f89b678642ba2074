"""What decoding compiles: functions of (graph, params), so that equal models share compiled code.

jax keeps one compiled program for each graph, shape and static option; other parameters of the same
model, such as those of the next step of training, run the same program.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.data.vocabulary import SpecialPieces
from nmt.decoding import sampling, search
from nmt.models.build import Params, merge_model
from nmt.models.seq2seq import logits_from_features

Array = jax.Array


@partial(
    jax.jit,
    static_argnames=("graph", "special", "beam_size", "max_length", "num_hypotheses"),
)
def beam_search(
    graph: nnx.GraphDef,
    params: Params,
    source: Array,
    source_mask: Array,
    max_lengths: Array,
    length_norm: Array,
    *,
    special: SpecialPieces,
    beam_size: int,
    max_length: int,
    num_hypotheses: int,
) -> search.Hypotheses:
    """See `nmt.decoding.search.beam_search`."""
    return search.beam_search(
        merge_model(graph, params),
        source,
        source_mask,
        **special._asdict(),
        beam_size=beam_size,
        length_norm=length_norm,
        max_lengths=max_lengths,
        max_length=max_length,
        num_hypotheses=num_hypotheses,
    )


@partial(
    jax.jit,
    static_argnames=("graph", "special", "top_k", "top_p", "max_length", "num_hypotheses"),
)
def sample(
    graph: nnx.GraphDef,
    params: Params,
    source: Array,
    source_mask: Array,
    max_lengths: Array,
    length_norm: Array,
    seed: Array,
    indices: Array,
    temperature: Array,
    *,
    special: SpecialPieces,
    top_k: int | None,
    top_p: float | None,
    max_length: int,
    num_hypotheses: int,
) -> search.Hypotheses:
    """See `nmt.decoding.sampling.sample`.

    The key of a sentence is made from `seed` () and the sentence's own number in `indices` (B,).
    """
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), indices)
    return sampling.sample(
        merge_model(graph, params),
        source,
        source_mask,
        keys,
        **special._asdict(),
        num_hypotheses=num_hypotheses,
        length_norm=length_norm,
        max_lengths=max_lengths,
        max_length=max_length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
    )


@partial(jax.jit, static_argnames="graph")
def forced_log_probs(
    graph: nnx.GraphDef,
    params: Params,
    source: Array,
    source_mask: Array,
    target_in: Array,
    target_out: Array,
    target_mask: Array,
) -> Array:
    """Log-probabilities of given pieces.

    Args:
      source: (B, S); source_mask: (B, S).
      target_in, target_out, target_mask: (B, T).
    Returns:
      (B, T), zero on padding. Logits are made position by position, never all at once.
    """
    model = merge_model(graph, params)
    features = model(source, source_mask, target_in).features  # B T E
    projection = model.projection()

    def at_position(now):
        features, pieces = now  # (B, E), (B,)
        logits = logits_from_features(features, projection)  # B V
        chosen = jnp.take_along_axis(logits, pieces[:, None], axis=1)[:, 0]
        return chosen - jax.nn.logsumexp(logits, axis=1)

    log_probs = jax.lax.map(at_position, (features.swapaxes(0, 1), target_out.T)).T
    return jnp.where(target_mask, log_probs, 0.0)


@partial(jax.jit, static_argnames="graph")
def forced_alignment(
    graph: nnx.GraphDef, params: Params, source: Array, source_mask: Array, target_in: Array
) -> Array | None:
    """Alignments of given pieces, (B, T, S); None for a model without attention."""
    return merge_model(graph, params)(source, source_mask, target_in).alignment
