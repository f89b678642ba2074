"""How strongly the loss at a target position depends on each state before it.

The measure is the norm of d loss_t / d s_p, with loss_t = -log p(y_t | y_<t, x), along all ways
from the state to the loss: what Bengio, Simard and Frasconi (1994), section III, show to vanish,
written with the product of Jacobians of Pascanu, Mikolov and Bengio (2013), equation 5,
https://arxiv.org/abs/1211.5063. A state is all that is carried from one position to the next and
has a gradient: h of a vanilla cell or a GRU; h and c of an LSTM, as one vector; of a nested LSTM
the inner cell too; of a stack all layers', as one vector. A clock is an integer and has none.

    decoder_gradients      the decoder's states s_p, through the recurrence
    encoder_gradients      the forward encoder's states h_j, through all that is made of them
    annotation_gradients   the annotations h_j, through attention alone

The last is part of the one before it: what is left, the way through h_{j+1}, ..., h_S, is all there
is without attention. Models are recurrent ones. Distances are those of
`nmt.analysis.gradient_decay`.
"""

from functools import partial
from itertools import islice

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.analysis.gradient_norms import (
    Shifts,
    gradient_norms,
    no_shifts,
    shifted,
    state_gradient_norms,
)
from nmt.models.build import Params, merge_model
from nmt.models.cells import Cell, State
from nmt.models.cells.contract import by_gate
from nmt.models.recurrent_encoder import Encoder
from nmt.models.seq2seq import Projection, Seq2Seq, log_probs_of_pieces, logits_from_features

Array = jax.Array


@partial(jax.jit, static_argnames="graph")
def decoder_gradients(
    graph: nnx.GraphDef,
    params: Params,
    source: Array,
    source_mask: Array,
    target_in: Array,
    target_out: Array,
) -> Array:
    """Of each loss with regard to the states of the decoder.

    Args:
      graph, params: of `nmt.models.build.split_model`.
      source, source_mask: (B, S).
      target_in, target_out: (B, T).
    Returns:
      (B, T, T): [b, t, p] is the norm of the gradient of the loss of piece t with regard to the
      state that the step of piece p begins with, of all layers, and what input feeding feeds.
    """
    model = merge_model(graph, params)
    memory, projection = model.encode(source, source_mask), model.projection()

    def step(state, now):
        piece, position, wanted = now  # (B,), (), (B,)
        state, features, _ = model.step(state, memory, piece[:, None], position)
        return state, _losses(features[:, 0], wanted, projection)

    positions = jnp.arange(target_in.shape[1])
    state = model.init_state(memory, 1, target_in.shape[1])
    return state_gradient_norms(step, state, (target_in.T, positions, target_out.T))


@partial(jax.jit, static_argnames="graph")
def encoder_gradients(
    graph: nnx.GraphDef,
    params: Params,
    source: Array,
    source_mask: Array,
    target_in: Array,
    target_out: Array,
) -> Array:
    """Of each loss with regard to the states of the forward encoder.

    Args:
      As of `decoder_gradients`.
    Returns:
      (B, T, S): [b, t, j] is the norm of the gradient of the loss of piece t with regard to the
      state behind source piece j, of all layers; zero on padding. The ways from a layer's state
      lead through the layer above at piece j too.
    """
    batch, length = source.shape

    def losses_of(shifts):
        model = merge_model(graph, params)
        _shift_cells(model.encoder.forward, shifts)
        # One scan runs both directions, as cells of one kind: these are shifted by nothing.
        _shift_cells(model.encoder.backward, zeros)
        return _forced_losses(model, source, source_mask, target_in, target_out)

    cells = merge_model(graph, params).encoder.forward
    zeros = sum((no_shifts(cell.initial_state((batch,)), length) for cell in cells), start=[])
    return gradient_norms(losses_of, zeros)


@partial(jax.jit, static_argnames="graph")
def annotation_gradients(
    graph: nnx.GraphDef,
    params: Params,
    source: Array,
    source_mask: Array,
    target_in: Array,
    target_out: Array,
) -> Array:
    """Of each loss with regard to the annotations, as far as attention reads them.

    Args:
      As of `decoder_gradients`.
    Returns:
      (B, T, S): [b, t, j] is the norm of the gradient of the loss of piece t with regard to
      annotation j, both directions of it, by way of what the decoder sees of it at piece t and at
      those before; zero on padding, and everywhere without attention.
    """

    def losses_of(shifts):
        model = merge_model(graph, params)
        model.encoder = _ShiftedAnnotations(model.encoder, *shifts)
        return _forced_losses(model, source, source_mask, target_in, target_out)

    annotation_dim = merge_model(graph, params).encoder.annotation_dim
    return gradient_norms(losses_of, [jnp.zeros((*source.shape, annotation_dim))])


class _ShiftedCell(nnx.Module):
    """A cell whose state is shifted after each position, within any scan that can run the cell."""

    def __init__(self, cell: Cell, shifts: Shifts):
        """The cell, and shifts of each leaf with a gradient, (B, T, H)."""
        self.cell, self.shifts = cell, nnx.data(shifts)
        self.gates, self.reads_below = cell.gates + len(shifts), cell.reads_below

    def project(self, inputs: Array) -> Array:
        """inputs (B, T, E) -> (B, T, gates, H): what the cell makes of them, then the shifts."""
        shifts = jnp.stack(list(self.shifts), axis=-2)
        return jnp.concatenate([self.cell.project(inputs), shifts], axis=-2)

    def initial_state(self, shape: tuple[int, ...]) -> State:
        """The cell's, not shifted."""
        return self.cell.initial_state(shape)

    def step(self, state: State, projected: Array, below: State | None = None) -> State:
        """The cell's next state, shifted."""
        projected, shifts = jnp.split(projected, [self.cell.gates], axis=-2)
        return shifted(self.cell.step(state, projected, below), by_gate(shifts))

    def output(self, state: State) -> Array:
        """The cell's."""
        return self.cell.output(state)


class _ShiftedAnnotations(nnx.Module):
    """An encoder whose annotations are shifted, and not the summary that a decoder starts from."""

    def __init__(self, encoder: Encoder, shift: Array):
        """The encoder, and the shift (B, S, M)."""
        self.encoder, self.shift = encoder, nnx.data(shift)

    def __call__(self, embedded: Array, mask: Array, dropout_keys: Array | None):
        """As the encoder."""
        annotations, finals = self.encoder(embedded, mask, dropout_keys)
        return annotations + self.shift, finals


def _shift_cells(cells: nnx.List, shifts: Shifts) -> None:
    """Lets the states of layers be shifted, by the next of the shifts for each of their leaves."""
    ahead = iter(shifts)
    for layer, cell in enumerate(cells):
        num_leaves = len(no_shifts(cell.initial_state((1,)), 1))
        cells[layer] = _ShiftedCell(cell, list(islice(ahead, num_leaves)))


def _forced_losses(
    model: Seq2Seq, source: Array, source_mask: Array, target_in: Array, target_out: Array
) -> Array:
    """The loss of each piece, (B, T)."""
    features = model(source, source_mask, target_in).features
    return _losses(features, target_out, model.projection())


def _losses(features: Array, wanted: Array, projection: Projection) -> Array:
    """-log p of wanted pieces: features (..., E), wanted (...) -> (...)."""
    return -log_probs_of_pieces(logits_from_features(features, projection), wanted)
