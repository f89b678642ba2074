"""Sampling: drawing translations from the model, or from its likeliest pieces only; jitted."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from nmt.decoding.continuations import best_pieces
from nmt.decoding.preparing import Prepared, prepare
from nmt.decoding.rooms import run_in_rooms
from nmt.decoding.search import Hypotheses, length_penalty
from nmt.models.biased_kernel import logits_from_biased
from nmt.models.seq2seq import DecoderState, Seq2Seq, gather_hypotheses, log_probs_of_pieces

Array = jax.Array


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["position", "ids", "pieces", "lengths", "log_probs", "decoder"],
    meta_fields=[],
)
@dataclass(frozen=True)
class SampleState:
    """What sampling carries from one target position to the next."""

    position: Array  # (), the target position to be filled
    ids: Array  # (B, K, L), the samples so far, then padding
    pieces: Array  # (B, K), their last pieces: BOS at first, padding after EOS
    lengths: Array  # (B, K), EOS counted; 0 while a sample has not ended
    log_probs: Array  # (B, K), under the model itself, whatever was drawn from
    decoder: DecoderState  # leaves (B, K, ...)


def sample(
    model: Seq2Seq,
    source: Array,
    source_mask: Array,
    keys: Array,
    *,
    bos_id: int,
    eos_id: int,
    pad_id: int,
    num_hypotheses: int,
    length_norm: float | Array,
    max_lengths: Array,
    max_length: int,
    temperature: float | Array = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    prepared: Prepared | None = None,
) -> Hypotheses:
    """Draws translations piece by piece.

    A sample as long as its sentence may become can only end, as in `beam_search`. What is drawn
    depends on the sentence's own key, never on its batch mates.

    Args:
      model: any model of the contract.
      source: (B, S).
      source_mask: (B, S), True on real pieces, of which each row has at least one.
      keys: (B,) random keys, one to a sentence.
      bos_id, eos_id, pad_id: special pieces of the target; BOS and padding are never produced.
      num_hypotheses: K independent samples of each sentence.
      length_norm: alpha of `length_penalty`, for the scores.
      max_lengths: (B,), pieces that a sample may have, EOS counted; from 1 to max_length.
      max_length: L, the static bound of max_lengths.
      temperature: divides the logits; below 1 the likely becomes likelier.
      top_k, top_p: see `keep_likeliest`.
      prepared: of `nmt.decoding.preparing.prepare`, which is called here when None.
    Returns:
      the samples, best score first; log_probs are the model's own (those of temperature 1).
    """
    stepper, output = prepared or prepare(model, bos_id, pad_id)
    memory = model.encode(source, source_mask)

    def step(batch: tuple[Any, Array, Array], state: SampleState) -> SampleState:
        memory, max_lengths, keys = batch
        decoder, features, _ = stepper.step(state.decoder, memory, state.pieces, state.position)
        logits = logits_from_biased(features, output.kernel, output.precision)  # B K V
        is_last = state.position + 1 >= max_lengths
        tempered = (logits + output.barred) / temperature
        pieces = draw(keep_likeliest(tempered, top_k, top_p), keys, state.position)
        pieces = jnp.where(is_last[:, None], eos_id, pieces)
        return follow(state, pieces, logits, decoder, eos_id, pad_id)

    shape = (len(source), num_hypotheses)
    start = SampleState(
        position=jnp.zeros((), jnp.int32),
        ids=jnp.full((*shape, max_length), pad_id, jnp.int32),
        pieces=jnp.full(shape, bos_id, jnp.int32),
        lengths=jnp.zeros(shape, jnp.int32),
        log_probs=jnp.zeros(shape, jnp.float32),
        decoder=stepper.init_state(memory, num_hypotheses, max_length=0),
    )
    drawn = run_in_rooms(
        step,
        lambda state: jnp.any(state.lengths == 0, axis=1),
        lambda state: (state.ids, state.lengths, state.log_probs),
        (memory, max_lengths, keys),
        start,
        max_length,
    )
    return best_first(*drawn, length_norm)


def keep_likeliest(logits: Array, top_k: int | None, top_p: float | None) -> Array:
    """Sets all but the likeliest pieces to -inf.

    Args:
      logits: (..., V), after temperature.
      top_k: keep so many pieces, and those that tie with the last of them (Fan et al. 2018).
      top_p: then keep the fewest likeliest pieces that have this share of the probability that is
        left, at least one (Holtzman et al. 2020).
    """
    if top_k is not None and top_k < logits.shape[-1]:
        least = best_pieces(logits, top_k)[0][..., -1:]
        logits = jnp.where(logits >= least, logits, -jnp.inf)
    if top_p is not None:
        descending = jnp.sort(logits, axis=-1, descending=True)
        probs = jax.nn.softmax(descending)
        is_kept = jnp.cumsum(probs, axis=-1) - probs < top_p  # what comes before is not enough
        is_kept = is_kept.at[..., 0].set(True)  # float32 may know no number as small as top_p
        least = jnp.min(jnp.where(is_kept, descending, jnp.inf), axis=-1, keepdims=True)
        logits = jnp.where(logits >= least, logits, -jnp.inf)
    return logits


def draw(logits: Array, keys: Array, position: Array) -> Array:
    """logits (B, K, V), keys (B,), position () -> pieces (B, K), drawn from their softmax."""
    at_position = jax.vmap(jax.random.fold_in, (0, None))(keys, position)
    return jax.vmap(jax.random.categorical)(at_position, logits).astype(jnp.int32)


def follow(
    state: SampleState,
    pieces: Array,
    logits: Array,
    decoder: DecoderState,
    eos_id: int,
    pad_id: int,
) -> SampleState:
    """Appends pieces (B, K) to the samples that have not ended; logits (B, K, V) gave them."""
    is_open = state.lengths == 0
    log_probs = log_probs_of_pieces(logits, pieces)
    pieces = jnp.where(is_open, pieces, pad_id)
    position = state.position + 1
    return SampleState(
        position=position,
        ids=jax.lax.dynamic_update_slice_in_dim(
            state.ids, pieces[:, :, None], state.position, axis=2
        ),
        pieces=pieces,
        lengths=jnp.where(is_open & (pieces == eos_id), position, state.lengths),
        log_probs=state.log_probs + jnp.where(is_open, log_probs, 0.0),
        decoder=decoder,
    )


def best_first(
    ids: Array, lengths: Array, log_probs: Array, length_norm: float | Array
) -> Hypotheses:
    """The samples in falling order of score."""
    scores = log_probs / length_penalty(lengths, length_norm)
    order = jnp.argsort(scores, axis=1, descending=True)
    drawn = Hypotheses(ids, lengths, log_probs, scores)
    return jax.tree.map(lambda leaf: gather_hypotheses(leaf, order), drawn)
