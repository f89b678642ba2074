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
from nmt.decoding.stages import SMALLEST
from nmt.models.seq2seq import DecoderState, Seq2Seq, gather_hypotheses, log_probs_of_pieces

Array = jax.Array


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["position", "ids", "pieces", "lengths", "log_probs", "decoder"],
    meta_fields=[],
)
@dataclass(frozen=True)
class SampleState:
    """What sampling carries from one target position to the next, of R samples."""

    position: Array  # (), the target position to be filled
    ids: Array  # (R, L), the samples so far, then padding
    pieces: Array  # (R,), their last pieces: BOS at first, padding after EOS
    lengths: Array  # (R,), EOS counted; 0 while a sample has not ended
    log_probs: Array  # (R,), under the model itself, whatever was drawn from
    decoder: DecoderState  # leaves (R, 1, ...)


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
    top_p: float | Array | None = None,
    prepared: Prepared | None = None,
) -> Hypotheses:
    """Draws translations piece by piece.

    A sample as long as its sentence may become can only end, as in `beam_search`. What is drawn
    depends on the sentence's own key and on which of its samples it is, never on others. Samples
    never go on from one another, so each is a row of its own, the only hypothesis of a sentence.

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
      the samples, best score first; log_probs are the model's own (those of temperature 1). One
        whose states overflow is an empty place, as in `beam_search`.
    """
    stepper, output = prepared or prepare(model, bos_id, pad_id)
    of_samples = jax.vmap(jax.random.fold_in, (None, 0))
    keys = jax.vmap(of_samples, (0, None))(keys, jnp.arange(num_hypotheses)).reshape(-1)
    memory, max_lengths = jax.tree.map(
        partial(jnp.repeat, repeats=num_hypotheses, axis=0),
        (model.encode(source, source_mask), max_lengths),
    )

    def step(batch: tuple[Any, Array, Array], state: SampleState) -> SampleState:
        memory, max_lengths, keys = batch
        decoder, features, _ = stepper.step(
            state.decoder, memory, state.pieces[:, None], state.position
        )
        logits = output.logits(features[:, 0])  # R V
        tempered = temper(logits + output.barred, temperature)
        pieces = draw(keep_likeliest(tempered, top_k, top_p), keys, state.position)
        is_last = state.position + 1 >= max_lengths
        pieces = jnp.where(is_last, eos_id, pieces)
        return follow(state, pieces, logits, decoder, eos_id, pad_id)

    num_rows = len(keys)
    start = SampleState(
        position=jnp.zeros((), jnp.int32),
        ids=jnp.full((num_rows, max_length), pad_id, jnp.int32),
        pieces=jnp.full(num_rows, bos_id, jnp.int32),
        lengths=jnp.zeros(num_rows, jnp.int32),
        log_probs=jnp.zeros(num_rows, jnp.float32),
        decoder=stepper.init_state(memory, 1, max_length=0),
    )
    drawn = run_in_rooms(
        step,
        lambda state: state.lengths == 0,
        lambda state: (state.ids, state.lengths, state.log_probs),
        (memory, max_lengths, keys),
        start,
        max_length,
        smallest=SMALLEST * num_hypotheses,  # so that no more is compiled than for a sample of each
    )
    drawn = (leaf.reshape(len(source), num_hypotheses, *leaf.shape[1:]) for leaf in drawn)
    return best_first(*drawn, length_norm, pad_id)


def temper(logits: Array, temperature: float | Array) -> Array:
    """logits (..., V) over the temperature, less the greatest, which no division makes infinite."""
    return (logits - logits.max(axis=-1, keepdims=True)) / temperature


def keep_likeliest(logits: Array, top_k: int | None, top_p: float | Array | None) -> Array:
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
    """logits (R, V), keys (R,), position () -> pieces (R,), drawn from their softmax."""
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
    """Appends pieces (R,) to the samples that have not ended; logits (R, V) gave them."""
    is_open = state.lengths == 0
    log_probs = log_probs_of_pieces(logits, pieces)
    pieces = jnp.where(is_open, pieces, pad_id)
    position = state.position + 1
    return SampleState(
        position=position,
        ids=jax.lax.dynamic_update_slice_in_dim(state.ids, pieces[:, None], state.position, axis=1),
        pieces=pieces,
        lengths=jnp.where(is_open & (pieces == eos_id), position, state.lengths),
        log_probs=state.log_probs + jnp.where(is_open, log_probs, 0.0),
        decoder=decoder,
    )


def best_first(
    ids: Array, lengths: Array, log_probs: Array, length_norm: float | Array, pad_id: int
) -> Hypotheses:
    """The samples in falling order of score; what is not a number is an empty place."""
    scores = log_probs / length_penalty(lengths, length_norm)
    is_number = ~jnp.isnan(scores)
    drawn = Hypotheses(
        jnp.where(is_number[..., None], ids, pad_id),
        jnp.where(is_number, lengths, 0),
        jnp.where(is_number, log_probs, -jnp.inf),
        jnp.where(is_number, scores, -jnp.inf),
    )
    order = jnp.argsort(drawn.scores, axis=1, descending=True)
    return jax.tree.map(lambda leaf: gather_hypotheses(leaf, order), drawn)
