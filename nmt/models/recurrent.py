"""The recurrent encoder-decoder, with attention or with a fixed-length context vector.

Bahdanau et al. (2015), https://arxiv.org/abs/1409.0473, and Luong et al. (2015),
https://arxiv.org/abs/1508.04025; without attention, Cho et al. (2014),
https://arxiv.org/abs/1406.1078, and Sutskever et al. (2014), https://arxiv.org/abs/1409.3215.

Input feeding (Luong et al., section 3.3): the features t_{i-1} of the position before, zero at
first, join E y_{i-1} in what the bottom layer's cell reads, whatever the decoder's order. It tells
the decoder where it attended before. In the orders in which a cell reads c_i the states know that
without it, and t_{i-1} adds what the layers above made of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.config.schema import RecurrentConfig
from nmt.models import cells
from nmt.models.decoder_layers import BOTTOM_LAYERS, Attend
from nmt.models.dropout import draw_mask, drop, dropout, split_keys
from nmt.models.embedding import Embedding, VocabularyProjection
from nmt.models.linear import linear
from nmt.models.readout import Readout
from nmt.models.recurrent_attention import ATTENTIONS
from nmt.models.recurrent_encoder import Encoder
from nmt.models.seq2seq import CrossAttentions, Decoded, DecoderState, Projection
from nmt.models.stacks import Joint
from nmt.models.step_kernels import lay_out_kernels

Array = jax.Array
MOST_IN_TABLES = 2**25  # numbers, 128 MiB: see `for_steps`


class RecurrentMemory(NamedTuple):
    """What the encoder leaves behind, once per sentence.

    Attributes:
      start: the summary of the source that the decoder starts from, (B, H).
      source_mask: (B, S).
      annotations: h_j, (B, S, M); None without attention.
      keys: what the attention makes of each h_j, (B, S, A); None without attention.
      context: the fixed-length context vector c, (B, M); None with attention.
    """

    start: Array
    source_mask: Array
    annotations: Array | None
    keys: Array | None
    context: Array | None


@partial(jax.tree_util.register_dataclass, data_fields=["layers", "fed"], meta_fields=[])
@dataclass(frozen=True)
class RecurrentState(DecoderState):
    """What each hypothesis carries.

    Attributes:
      layers: the state s_i of each decoder layer, bottom first; leaves (B, K, H).
      fed: the features t_i that input feeding reads next, (B, K, E); None without it.
    """

    layers: tuple[cells.State, ...]
    fed: Array | None


class RecurrentSeq2Seq(nnx.Module):
    """Encoder, decoder and readout behind the contract of `nmt.models.seq2seq`."""

    def __init__(
        self,
        config: RecurrentConfig,
        *,
        source_size: int,
        target_size: int,
        precision: str,
        rngs: nnx.Rngs,
    ):
        self.config = config
        new_embedding = partial(Embedding, dim=config.embedding_dim, stddev=0.1, rngs=rngs)
        layer = partial(linear, precision=precision, rngs=rngs)
        bottom_cell = partial(cells.bottom_cell(config), precision=precision, rngs=rngs)
        upper_cell = partial(cells.upper_cell(config), precision=precision, rngs=rngs)
        num_upper = config.decoder_layers - 1

        self.tables = nnx.data(None)  # see `for_steps`
        self.unroll = 1  # see `nmt.models.execution.unrolled`
        self.target_embedding = new_embedding(target_size)
        self.source_embedding = (
            nnx.data(None) if config.share_embeddings else new_embedding(source_size)
        )
        self.encoder = Encoder(config, precision=precision, rngs=rngs)
        annotation_dim = self.encoder.annotation_dim
        self.attention = (
            ATTENTIONS[config.attention](config, annotation_dim, precision=precision, rngs=rngs)
            if config.has_attention
            else nnx.data(None)
        )
        self.start = nnx.List(
            [layer(config.encoder_dim, config.decoder_dim) for _ in range(config.decoder_layers)]
        )
        order = config.decoder_order if config.has_attention else config.fixed_context
        self.bottom = BOTTOM_LAYERS[order](bottom_cell, config, annotation_dim, layer)
        gates = self.bottom.cell.gates
        self.feed = (  # the bottom cell's W for t_{i-1}
            layer(config.readout_dim, (gates, config.decoder_dim), use_bias=False, blocks=gates)
            if config.input_feeding
            else nnx.data(None)
        )
        self.upper = nnx.List(
            [upper_cell(config.decoder_dim, config.decoder_dim) for _ in range(num_upper)]
        )
        self.joints = nnx.List(
            [Joint(config, config.decoder_dim, rngs=rngs) for _ in range(num_upper)]
        )
        context_dim = 0 if order == "initial_state" else annotation_dim
        self.readout = Readout(config, context_dim, precision=precision, rngs=rngs)
        self.output = VocabularyProjection(
            target_size,
            config.readout_dim,
            tied=config.tie_projection,
            precision=precision,
            rngs=rngs,
        )

    @property
    def cross_attentions(self) -> CrossAttentions | None:
        """One layer of one head; None without attention."""
        if self.attention is None:
            return None
        return CrossAttentions(1, 1, layer=0, head=0, rows_to_read=self.bottom.rows_to_read)

    def projection(self) -> Projection:
        """The vocabulary projection."""
        return self.output(self.target_embedding)

    def for_steps(self) -> "RecurrentSeq2Seq":
        """The decoder alone, with tables of what steps would make of each piece y.

        These are W E y (V, gates, H) and V_o E y (V, O); there are none where they are too large.
        """
        numbers = self.bottom.cell.gates * self.config.decoder_dim
        numbers += self.readout.num_units * self.config.readout_dim
        table = self.target_embedding.table[...]
        model = nnx.clone(self)
        model.source_embedding = model.encoder = model.output = nnx.data(None)
        if len(table) * numbers <= MOST_IN_TABLES:
            model.tables = nnx.List([nnx.Param(made) for made in self._project(table)])
            model.target_embedding = nnx.data(None)
        lay_out_kernels(model)
        return model

    def encode(
        self, source: Array, source_mask: Array, *, dropout_keys: Array | None = None
    ) -> RecurrentMemory:
        """source (B, S), source_mask (B, S) -> memory."""
        embedding_keys, layers_keys, annotations_keys = split_keys(dropout_keys, 3)
        embedding = self.source_embedding or self.target_embedding
        embedded = dropout(embedding(source), self.config.dropout, embedding_keys)
        annotations, finals = self.encoder(embedded, source_mask, layers_keys)
        if self.attention is None:
            context = dropout(
                jnp.concatenate(finals, axis=-1), self.config.dropout, annotations_keys
            )
            return RecurrentMemory(finals[-1], source_mask, None, None, context)
        annotations = dropout(annotations, self.config.dropout, annotations_keys)
        keys = self.attention.keys(annotations)
        return RecurrentMemory(finals[-1], source_mask, annotations, keys, None)

    def init_state(
        self, memory: RecurrentMemory, num_hypotheses: int, max_length: int
    ) -> RecurrentState:
        """s_0 = tanh(W_s h + b) for each layer: appendix A.2.2.

        h is the backward encoder's state at the first word, or without one the forward encoder's
        at the last. The memory of an LSTM starts at zero, and so does a clock.
        """
        del max_length  # the state's size does not depend on it
        layers = []
        for cell, W_s in zip((self.bottom.cell, *self.upper), self.start, strict=True):
            output = jnp.tanh(W_s(memory.start))[:, None]  # B 1 H
            output = jnp.broadcast_to(output, (output.shape[0], num_hypotheses, output.shape[-1]))
            layers.append(cell.state_from_output(output))
        fed = jnp.zeros((len(memory.start), num_hypotheses, self.config.readout_dim))
        return RecurrentState(tuple(layers), None if self.feed is None else fed)

    def step(
        self, state: RecurrentState, memory: RecurrentMemory, piece: Array, position: Array
    ) -> tuple[RecurrentState, Array, Array | None]:
        """One piece (B, K) per hypothesis -> state, features (B, K, E), alignment (B, K, S)."""
        del position  # the state itself remembers
        if self.tables is None:
            projected, projected_readout = self._project(self.target_embedding(piece))
        else:
            projected, projected_readout = (made[...][piece] for made in self.tables)
        projected = self.bottom.join(projected, memory.context)
        return self._advance(state, memory, projected, projected_readout, None)

    def __call__(
        self,
        source: Array,
        source_mask: Array,
        target_in: Array,
        *,
        dropout_keys: Array | None = None,
    ) -> Decoded:
        """Teacher-forced: source (B, S), source_mask (B, S), target_in (B, T) -> Decoded.

        Without input feeding no layer waits for those above it, so they run one after the other,
        each over all positions, as the encoder's do; a top layer that attends does so from all
        positions at once.
        """
        encode_keys, embedding_keys, readout_keys = split_keys(dropout_keys, 3)
        memory = self.encode(source, source_mask, dropout_keys=encode_keys)
        embedded = dropout(self.target_embedding(target_in), self.config.dropout, embedding_keys)
        initial = self.init_state(memory, 1, target_in.shape[1])
        if self.feed is not None:
            return self._run_fed(memory, initial, embedded, readout_keys)
        seen, contexts, alignments = self._run_bottom(memory, initial.layers[0], embedded)
        outputs = self._run_upper(seen, initial.layers[1:])
        if alignments is None:
            contexts, alignments = self._attend_everywhere(memory, outputs)
        if self.config.readout_state == "previous":
            outputs = jnp.concatenate([self._top(initial), outputs[:, :-1]], axis=1)
        contexts = _context(contexts, memory, target_in.shape[1])
        features = self.readout(outputs, self.readout.project(embedded), contexts)
        return Decoded(dropout(features, self.config.dropout, readout_keys), alignments)

    def align(self, source: Array, source_mask: Array, target_in: Array) -> Array | None:
        """The one alignment that there is, (B, 1, 1, T, S); None without attention."""
        alignment = self(source, source_mask, target_in).alignment
        return None if alignment is None else alignment[:, None, None]

    def _project(self, embedded: Array) -> tuple[Array, Array]:
        """What is made of pieces alone: E y (..., E) -> W E y (..., gates, H), V_o E y (..., O)."""
        return self.bottom.project(embedded), self.readout.project(embedded)

    def _attend(self, memory: RecurrentMemory) -> Attend:
        """The view of the source: queries (B, Q, H) -> context, alignment, or None for both."""
        if self.attention is None:
            return lambda queries: (None, None)
        return lambda queries: self.attention(queries, *_seen(memory))

    def _attend_everywhere(self, memory: RecurrentMemory, queries: Array):
        """queries (B, T, H) -> contexts (B, T, M), alignments (B, T, S), or None for both."""
        if self.attention is None:
            return None, None
        return self.attention.everywhere(queries, *_seen(memory))

    def _advance(
        self,
        state: RecurrentState,
        memory: RecurrentMemory,
        projected: Array,
        projected_readout: Array,
        keep: Array | None,
    ) -> tuple[RecurrentState, Array, Array | None]:
        """One position of all layers and the readout.

        Args:
          state: leaves (B, Q, ...).
          memory: of `encode`.
          projected: of the bottom layer, (B, Q, gates, H).
          projected_readout: of the readout, (B, Q, O).
          keep: the dropout mask of the features, (B, Q, E), or None; they are fed as they are used.
        Returns:
          state, features (B, Q, E) and alignment (B, Q, S) or None.
        """
        if self.feed is not None:
            projected = projected + self.feed(state.fed)
        attend = self._attend(memory)
        bottom, context, alignment = self.bottom.advance(state.layers[0], projected, attend)
        layers = [bottom]
        below = self.bottom.cell.output(bottom)
        for cell, joint, layer in zip(self.upper, self.joints, state.layers[1:], strict=True):
            layers.append(cell.step(layer, cell.project(joint.before(below)), layers[-1]))
            below = joint.after(below, cell.output(layers[-1]))
        if alignment is None:
            context, alignment = attend(below)
        shown = below if self.config.readout_state == "current" else self._top(state)
        context = _context(context, memory, below.shape[1])
        features = drop(self.readout(shown, projected_readout, context), self.config.dropout, keep)
        fed = None if self.feed is None else features
        return RecurrentState(tuple(layers), fed), features, alignment

    def _run_fed(
        self,
        memory: RecurrentMemory,
        initial: RecurrentState,
        embedded: Array,
        readout_keys: Array | None,
    ) -> Decoded:
        """All positions of embedded (B, T, E), each of which waits for the features before it."""

        def step(state, now):  # leaves (B, 1, ...)
            of_gates, projected_readout, keep = now
            projected = cells.all_gates(of_gates)
            advanced = self._advance(state, memory, projected, projected_readout, keep)
            return advanced[0], advanced[1:]

        batch, length, _ = embedded.shape
        projected, projected_readout = self._project(embedded)
        projections = (
            cells.by_gate(self.bottom.join(projected, memory.context)),
            projected_readout,
            draw_mask((batch, length, self.config.readout_dim), self.config.dropout, readout_keys),
        )
        time_major = jax.tree.map(lambda leaf: leaf.swapaxes(0, 1)[:, :, None], projections)
        _, collected = cells.scan_positions(step, initial, time_major, unroll=self.unroll)
        return Decoded(*jax.tree.map(lambda leaf: leaf[:, :, 0].swapaxes(0, 1), collected))

    def _run_bottom(self, memory: RecurrentMemory, initial: cells.State, embedded: Array):
        """embedded (B, T, E) -> seen (B, T, H), contexts (B, T, M), alignments (B, T, S)."""
        attend = self._attend(memory)
        above = self.upper[0] if self.upper else None

        def step(state, of_gates):  # leaves (B, 1, H)
            projected = cells.all_gates(of_gates)
            state, context, alignment = self.bottom.advance(state, projected, attend)
            return state, (cells.seen(self.bottom.cell, state, above), context, alignment)

        projected = self.bottom.join(self.bottom.project(embedded), memory.context)
        time_major = [gate.swapaxes(0, 1)[:, :, None] for gate in cells.by_gate(projected)]
        _, collected = cells.scan_positions(step, initial, time_major, unroll=self.unroll)
        return jax.tree.map(lambda leaf: leaf[:, :, 0].swapaxes(0, 1), collected)

    def _run_upper(self, seen: cells.Seen, initial: Sequence[cells.State]) -> Array:
        """What the bottom layer shows, (B, T, H), and states (B, 1, H) -> outputs (B, T, H)."""
        outputs = seen.output
        everywhere = jnp.ones(outputs.shape[:2], bool)  # junk past a target's end harms nothing
        for layer, (cell, joint) in enumerate(zip(self.upper, self.joints, strict=True)):
            seen, _ = cells.run_in_stack(
                cell,
                joint.before(outputs),
                everywhere,
                jax.tree.map(lambda leaf: leaf[:, 0], initial[layer]),
                below=seen.state,
                above=self.upper[layer + 1] if layer + 1 < len(self.upper) else None,
                unroll=self.unroll,
            )
            outputs = joint.after(outputs, seen.output)
        return outputs

    def _top(self, state: RecurrentState) -> Array:
        """What the top layer gives, (B, K, H)."""
        top = self.bottom.cell.output(state.layers[0])
        for cell, joint, layer in zip(self.upper, self.joints, state.layers[1:], strict=True):
            top = joint.after(top, cell.output(layer))
        return top


def _seen(memory: RecurrentMemory) -> tuple[Array, Array, Array]:
    return memory.keys, memory.annotations, memory.source_mask


def _context(context: Array | None, memory: RecurrentMemory, num_queries: int) -> Array | None:
    """The attended context (B, Q, M), or the fixed one for every query."""
    if context is not None or memory.context is None:
        return context
    batch, dim = memory.context.shape
    return jnp.broadcast_to(memory.context[:, None], (batch, num_queries, dim))
