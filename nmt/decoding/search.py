"""Beam search: jitted, and ignorant of models but for their contract.

At each position the K best continuations of a sentence go on. One that ends with EOS leaves the
beam and is not replaced (Sutskever et al. 2014, section 3.2), so that at most K hypotheses end and
a beam of 1 is greedy search with nothing made special for it. Continuations are ranked by log_prob,
as they have the same length; what has ended is ranked by score, as lengths differ.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nmt.decoding.continuations import Continuations, best_continuations
from nmt.decoding.live_rows import step_live
from nmt.decoding.preparing import Prepared, prepare
from nmt.decoding.rooms import run_in_rooms
from nmt.models.seq2seq import DecoderState, Seq2Seq, gather_hypotheses

Array = jax.Array


class Hypotheses(NamedTuple):
    """Translations of each sentence, best first.

    A place that no hypothesis fills has length 0, log_prob and score -inf.

    Attributes:
      ids: (B, K, L), up to EOS, then padding.
      lengths: (B, K), EOS counted.
      log_probs: (B, K), summed over the pieces, EOS included, as forced decoding would give.
      scores: (B, K), log_probs after length normalisation.
    """

    ids: Array
    lengths: Array
    log_probs: Array
    scores: Array


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["position", "ids", "pieces", "log_probs", "decoder", "finished"],
    meta_fields=[],
)
@dataclass(frozen=True)
class BeamState:
    """What the search carries from one target position to the next."""

    position: Array  # (), the target position to be filled
    ids: Array  # (B, K, L), the live hypotheses so far, then padding
    pieces: Array  # (B, K), their last pieces, BOS at first
    log_probs: Array  # (B, K), their log-probabilities, best first; -inf where a place is not live
    decoder: DecoderState  # leaves (B, K, ...), what the model carries for each of them
    finished: Hypotheses  # (B, K, ...), those that ended, best score first


class Candidates(NamedTuple):
    """The continuations that were chosen, best log_prob first; each leaf is (B, K)."""

    parents: Array  # which live hypothesis each continues
    pieces: Array  # with which piece
    log_probs: Array


def beam_search(
    model: Seq2Seq,
    source: Array,
    source_mask: Array,
    *,
    bos_id: int,
    eos_id: int,
    pad_id: int,
    beam_size: int,
    length_norm: float | Array,
    max_lengths: Array,
    max_length: int,
    num_hypotheses: int | None = None,
    shortlist: tuple[Array, Array] | None = None,
    prepared: Prepared | None = None,
) -> Hypotheses:
    """Searches for the translations of highest score.

    At the last position that a sentence may have, EOS is the only choice, with the log-probability
    that the model gives it. So every log_prob is that of forced decoding, but with a shortlist,
    among whose pieces all probability is shared out.

    Args:
      model: any model of the contract.
      source: (B, S).
      source_mask: (B, S), True on real pieces, of which each row has at least one.
      bos_id, eos_id, pad_id: special pieces of the target; BOS and padding are never produced.
      beam_size: K; 1 takes the likeliest piece at each position.
      length_norm: alpha of `length_penalty`, 0 or more.
      max_lengths: (B,), pieces that a translation may have, EOS counted; from 1 to max_length.
      max_length: L, the static bound of max_lengths.
      num_hypotheses: how many of the K are wanted; a sentence is done once they are sure.
      shortlist: pieces (U,) and allowed (B, U), as in `nmt.decoding.shortlist.Shortlist`.
      prepared: of `nmt.decoding.preparing.prepare`, which is called here when None.
    Returns:
      the best `num_hypotheses` (all K when None) of each sentence.
    """
    num_hypotheses = num_hypotheses or beam_size
    pieces, allowed = (None, None) if shortlist is None else map(jnp.asarray, shortlist)
    stepper, output = prepared or prepare(model, bos_id, pad_id)
    if pieces is not None:
        output = output.only(pieces)
    memory = model.encode(source, source_mask)

    def step(batch: tuple[Any, Array, Array | None], state: BeamState) -> BeamState:
        memory, max_lengths, allowed = batch
        is_live = state.log_probs > -jnp.inf
        is_last = state.position + 1 >= max_lengths

        def best(features: Array, sentence: Array) -> Continuations:  # (R, E), (R,)
            own = None if allowed is None else allowed[sentence]
            return best_continuations(
                features,
                is_last[sentence],
                own,
                output=output,
                num_pieces=beam_size,
                eos_id=eos_id,
            )

        decoder, continuations = step_live(  # of which leaves are (B, K, K)
            stepper,
            state.decoder,
            memory,
            state.pieces,
            state.position,
            is_live=is_live,
            then=best,
        )
        candidates = expand(state.log_probs, continuations)
        candidates = crowd_out(candidates, state.finished)
        state = follow(state, candidates, decoder)
        state = retire(state, candidates.pieces == eos_id, length_norm)
        return give_up(state, length_norm, max_lengths, num_hypotheses)

    batch = memory, max_lengths, allowed
    decoder = stepper.init_state(memory, beam_size, max_length=0)
    state = first_state(decoder, len(source), beam_size, max_length, bos_id, pad_id)
    finished = run_in_rooms(
        step, is_searching, lambda state: state.finished, batch, state, max_length
    )
    return jax.tree.map(lambda leaf: leaf[:, :num_hypotheses], finished)


def length_penalty(lengths: Array, length_norm: float | Array) -> Array:
    """((5 + length) / 6) ** alpha, EOS counted: Wu et al. (2016), equation 14."""
    return ((5.0 + lengths) / 6.0) ** length_norm


def first_state(
    decoder: DecoderState,
    num_sentences: int,
    beam_size: int,
    max_length: int,
    bos_id: int,
    pad_id: int,
) -> BeamState:
    """One live hypothesis to a sentence, as K equal ones would each be found K times."""
    shape = (num_sentences, beam_size)
    ids = jnp.full((*shape, max_length), pad_id, jnp.int32)
    nothing = jnp.full(shape, -jnp.inf, jnp.float32)
    return BeamState(
        position=jnp.zeros((), jnp.int32),
        ids=ids,
        pieces=jnp.full(shape, bos_id, jnp.int32),
        log_probs=nothing.at[:, 0].set(0.0),
        decoder=decoder,
        finished=Hypotheses(ids, jnp.zeros(shape, jnp.int32), nothing, nothing),
    )


def is_searching(state: BeamState) -> Array:
    """(B,), True while a sentence has a live hypothesis."""
    return jnp.any(state.log_probs > -jnp.inf, axis=1)


def expand(log_probs: Array, continuations: Continuations) -> Candidates:
    """The K best continuations of a sentence's K live hypotheses.

    The best K of all are among the best K of each. What follows a hypothesis whose states overflow
    is not a number, and no candidate.

    Args:
      log_probs: (B, K), of the live hypotheses; -inf where a place is not live.
      continuations: leaves (B, K, K).
    """
    beam_size = log_probs.shape[1]
    totals = continuations.log_probs + log_probs[:, :, None]
    is_candidate = (log_probs > -jnp.inf)[:, :, None] & ~jnp.isnan(totals)
    totals = jnp.where(is_candidate, totals, -jnp.inf)
    totals, pieces = (leaf.reshape(len(leaf), -1) for leaf in (totals, continuations.pieces))
    totals, chosen = jax.lax.top_k(totals, beam_size)  # of B K*K
    return Candidates(chosen // beam_size, jnp.take_along_axis(pieces, chosen, axis=1), totals)


def crowd_out(candidates: Candidates, finished: Hypotheses) -> Candidates:
    """Leaves to the candidates only the places that finished hypotheses have not taken."""
    num_finished = jnp.sum(finished.lengths > 0, axis=1, keepdims=True)
    beam_size = finished.lengths.shape[1]
    is_kept = jnp.arange(beam_size) < beam_size - num_finished
    return candidates._replace(log_probs=jnp.where(is_kept, candidates.log_probs, -jnp.inf))


def follow(state: BeamState, candidates: Candidates, decoder: DecoderState) -> BeamState:
    """Lets the candidates be the live hypotheses; `decoder` is what the model's step gave."""
    ids = state.ids
    if ids.shape[1] > 1:  # with a beam of 1 each hypothesis continues itself
        decoder = decoder.reorder(candidates.parents)
        ids = gather_hypotheses(ids, candidates.parents)
    return BeamState(
        position=state.position + 1,
        ids=jax.lax.dynamic_update_slice_in_dim(
            ids, candidates.pieces[:, :, None], state.position, axis=2
        ),
        pieces=candidates.pieces,
        log_probs=candidates.log_probs,
        decoder=decoder,
        finished=state.finished,
    )


def retire(state: BeamState, ended: Array, length_norm: float | Array) -> BeamState:
    """Moves live hypotheses that ended to the finished ones.

    Args:
      state: its `position` is the length of the live hypotheses.
      ended: (B, K), True where the last piece is EOS.
      length_norm: alpha of `length_penalty`.
    """
    ended = ended & (state.log_probs > -jnp.inf)
    scores = state.log_probs / length_penalty(state.position, length_norm)
    new = Hypotheses(
        state.ids,
        jnp.where(ended, state.position, 0),
        jnp.where(ended, state.log_probs, -jnp.inf),
        jnp.where(ended, scores, -jnp.inf),
    )
    both = jax.tree.map(lambda old, new: jnp.concatenate([old, new], axis=1), state.finished, new)
    _, best = jax.lax.top_k(both.scores, state.ids.shape[1])  # ties go to what ended before
    return replace(
        state,
        log_probs=jnp.where(ended, -jnp.inf, state.log_probs),
        finished=jax.tree.map(lambda leaf: gather_hypotheses(leaf, best), both),
    )


def give_up(
    state: BeamState, length_norm: float | Array, max_lengths: Array, num_hypotheses: int
) -> BeamState:
    """Ends the search of sentences in which no live hypothesis can win a wanted place.

    A log_prob only falls and the penalty only grows, so that of a live hypothesis over the greatest
    penalty bounds the score of whatever it becomes.
    """
    best = state.log_probs.max(axis=1, keepdims=True)
    attainable = best / length_penalty(max_lengths[:, None], length_norm)
    can_win = attainable > state.finished.scores[:, num_hypotheses - 1 : num_hypotheses]
    return replace(state, log_probs=jnp.where(can_win, state.log_probs, -jnp.inf))
