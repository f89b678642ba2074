"""The arithmetic that training a model takes, from its config and the lengths of the sentences.

Counted are the multiply-adds of every matrix product of the forward pass, attention included; the
backward pass takes each product twice more, for the gradients of its two operands; and a
multiply-add is two operations:

    FLOPs = 2 * (1 + 2) * multiply-adds = 6 * multiply-adds

Only real pieces count, EOS with them: S of a source, T of a target sentence. What a program
computes for padding, what it masks out and what it computes again is no work of the model. Lookups
of embeddings, biases, gates, softmaxes, normalisations and the optimiser are left out: they take
time, but next to no arithmetic. With the names of nmt/config/model_schema.py,

    E embedding, h encoder state, H decoder state, M annotations, A alignment, R readout, V pieces,
    g gates of a cell (3 of a GRU, 4 of an LSTM),  D model, F feed-forward

a recurrent cell that reads x numbers into a state of y takes cell(x, y) = g y (x + y); there are
more matrices (y, y) in those of MORE_RECURRENT, one (x, y) more for a depth gate above the first
layer, and of a clockwork's (y, y) only the upper triangle of blocks; and

recurrent             source piece   layers and directions of cell(input, h);  attention's keys M A
                      sentence       H h for the start of each decoder layer
    attend, update    target piece   cell(E, H) + g H M for c_i in it
    update, attend                   cell(E, H)
    update twice                     cell(E, H) + cell(M, H)
    input feeding                    g H R besides
    attention                        H A for the query, and for each source piece A + M; A is H for
                                     concat. General has the keys M H, dot has none; then H + M for
                                     each source piece is all
    fixed context                    cell(E, H), and g H M a sentence for c at every step
    upper layers                     cell(H, H) each
    readout                          (H + E + M) R, twice that for maxout; without M if c is unseen
    projection                       R V

Transformer           source piece   encoder layers of 4 D D + 2 D F, and 2 D for each source piece
                                     that it attends to; the keys and values 2 D D of decoder layers
                      target piece   decoder layers of 4 D D + 2 D D + 2 D F, and 2 D for each
                                     source piece and for each target piece up to its own
    projection                       D V

So model A on Multi30k (S 15.3, T 15.8, V 8000) takes 8.0 million multiply-adds a target piece.
"""

from typing import NamedTuple

import numpy as np

from nmt.config.schema import ModelConfig, RecurrentConfig

FLOPS_PER_MULTIPLY_ADD = 6  # two, in the forward pass and twice more in the backward pass
GATES = {
    "vanilla_tanh": 1,
    "vanilla_relu": 1,
    "gru_reset_before": 3,
    "gru_reset_after": 3,
    "lstm": 4,
    "lstm_peephole": 4,
    "lstm_peephole_full": 4,
    "lstm_coupled": 3,
    "lstm_depth_gated": 4,
    "lstm_nested": 4,
    "clockwork": 1,
}
MORE_RECURRENT = {
    "lstm_peephole_full": 3,  # each peephole is a matrix
    "lstm_nested": 8,  # the inner LSTM reads y numbers into a state of y
}


class Costs(NamedTuple):
    """Multiply-adds of the forward pass, by what they are spent for.

    Attributes:
      sentence: for each sentence.
      source, target: for each source or target piece.
      source_source: for each source piece, and each source piece that it attends to.
      target_source: for each target piece, and each source piece that it attends to.
      target_target: for each target piece, and each target piece from the first up to its own.
    """

    sentence: int
    source: int
    target: int
    source_source: int
    target_source: int
    target_target: int


class Work(NamedTuple):
    """Multiply-adds of the forward pass over a corpus, by the side whose pieces take them."""

    source: int
    target: int

    @property
    def training_flops(self) -> int:
        """Of forward and backward pass."""
        return FLOPS_PER_MULTIPLY_ADD * (self.source + self.target)


def work(
    model: ModelConfig, vocabulary_size: int, source_lengths: np.ndarray, target_lengths: np.ndarray
) -> Work:
    """What sentences of these lengths take.

    Args:
      model: the section of the config.
      vocabulary_size: V, of the target.
      source_lengths, target_lengths: (N,), S and T of each pair, EOS counted.
    """
    cost = costs(model, vocabulary_size)
    S, T = (np.asarray(lengths, np.int64) for lengths in (source_lengths, target_lengths))
    of_source = cost.source * S + cost.source_source * S * S
    up_to_own = T * (T + 1) // 2
    of_target = cost.target * T + cost.target_source * S * T + cost.target_target * up_to_own
    return Work(int(of_source.sum()) + cost.sentence * len(S), int(of_target.sum()))


def costs(model: ModelConfig, vocabulary_size: int) -> Costs:
    """The costs of a model: see the head of this file."""
    if isinstance(model, RecurrentConfig):
        return _recurrent(model, vocabulary_size)
    D, F, layers = model.model_dim, model.feedforward_dim, model.decoder_layers
    return Costs(
        sentence=0,
        source=model.encoder_layers * (4 * D * D + 2 * D * F) + layers * 2 * D * D,
        target=layers * (4 * D * D + 2 * D * D + 2 * D * F) + D * vocabulary_size,
        source_source=model.encoder_layers * 2 * D,
        target_source=layers * 2 * D,
        target_target=layers * 2 * D,
    )


def _cell(model: RecurrentConfig, x: int, y: int) -> int:
    """Of a cell that reads x numbers into a state of y."""
    g = GATES[model.cell]
    if model.cell == "clockwork":
        m = model.clockwork_modules
        return y * x + y * y * (m + 1) // (2 * m)
    return g * y * (x + y) + MORE_RECURRENT.get(model.cell, 0) * y * y


def _upper_cell(model: RecurrentConfig, x: int, y: int) -> int:
    """The same in a layer above another."""
    return _cell(model, x, y) + (y * x if model.cell == "lstm_depth_gated" else 0)


def _recurrent(model: RecurrentConfig, vocabulary_size: int) -> Costs:
    E, h, H, A, R = (
        model.embedding_dim,
        model.encoder_dim,
        model.decoder_dim,
        model.alignment_dim,
        model.readout_dim,
    )
    g = GATES[model.cell]
    directions = 2 if model.bidirectional else 1
    M = directions * h
    above = model.encoder_layers - 1
    source = directions * (_cell(model, E, h) + above * _upper_cell(model, M, h))
    sentence = model.decoder_layers * h * H
    target = _cell(model, E, H) + (model.decoder_layers - 1) * _upper_cell(model, H, H)
    target += g * H * R if model.input_feeding else 0
    seen = M  # what the readout sees of the source
    pair = 0
    if model.has_attention:
        hidden = {"additive": A, "concat": H}.get(model.attention)
        source += {"additive": M * A, "concat": M * H, "general": M * H, "dot": 0}[model.attention]
        target += H * hidden if hidden else 0
        pair = (hidden or H) + M
        target += {
            "attend_update": g * H * M,
            "update_attend": 0,
            "update_attend_update": _cell(model, M, H),
        }[model.decoder_order]
    elif model.fixed_context == "every_step":
        sentence += g * H * M
    else:
        seen = 0
    pieces = 2 if model.readout == "maxout" else 1
    target += pieces * (H + E + seen) * R + R * vocabulary_size
    return Costs(
        sentence=sentence,
        source=source,
        target=target,
        source_source=0,
        target_source=pair,
        target_target=0,
    )
