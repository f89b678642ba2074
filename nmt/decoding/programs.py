"""What decoding compiles: functions of (graph, params), so that equal models share compiled code.

jax keeps one compiled program for each graph, mesh, shape and static option; other parameters of
the same model, such as those of the next step of training, run the same program.

Each device of the mesh has the whole model and its own rows of the batch, and never hears of the
others: it stops when its own sentences are done. Parameters come from `nmt.devices.mesh.on_all`;
rows are numpy, the same on every process, and jax gives each device its part of them. The number of
devices divides B. Every process of the mesh can read all of a result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh, PartitionSpec

from nmt.data.vocabulary import SpecialPieces
from nmt.decoding import saliency, sampling, search
from nmt.decoding.continuations import Output
from nmt.decoding.preparing import Prepared, prepare
from nmt.devices.mesh import DATA, MODEL, replicated
from nmt.models.biased_kernel import biased_kernel, logits_from_biased
from nmt.models.build import Params, merge_model, split_model
from nmt.models.keys import keys_of_sentences
from nmt.models.seq2seq import Seq2Seq, choose_alignment, log_probs_of_pieces

Array = jax.Array
ROWS = PartitionSpec((DATA, MODEL))  # every device has the whole model, so both axes deal out rows


@partial(jax.tree_util.register_dataclass, data_fields=["params", "output"], meta_fields=["graph"])
@dataclass(frozen=True)
class PreparedParts:
    """`nmt.decoding.preparing.Prepared`, with its stepper as (graph, params)."""

    graph: nnx.GraphDef
    params: Params
    output: Output

    def together(self, forbidden_id: int | None) -> Prepared:
        """As search and sampling take it; with one more piece that is never produced, or None."""
        output = self.output if forbidden_id is None else self.output.without(forbidden_id)
        return Prepared(merge_model(self.graph, self.params), output)


@partial(jax.jit, static_argnames=("graph", "mesh", "special"))
def prepare_search(
    graph: nnx.GraphDef, params: Params, *, mesh: Mesh, special: SpecialPieces
) -> PreparedParts:
    """See `nmt.decoding.preparing.prepare`; whole on every device."""
    stepper, output = prepare(merge_model(graph, params), special.bos_id, special.pad_id)
    parts = PreparedParts(*split_model(stepper), output)
    return jax.lax.with_sharding_constraint(parts, replicated(mesh))


@partial(
    jax.jit,
    static_argnames=(
        "graph",
        "mesh",
        "special",
        "forbidden_id",
        "beam_size",
        "max_length",
        "num_hypotheses",
    ),
)
def beam_search(
    graph: nnx.GraphDef,
    params: Params,
    prepared: PreparedParts,
    source: Array,
    source_mask: Array,
    max_lengths: Array,
    length_norm: Array,
    shortlist: tuple[Array, Array] | None = None,
    *,
    mesh: Mesh,
    special: SpecialPieces,
    forbidden_id: int | None = None,
    beam_size: int,
    max_length: int,
    num_hypotheses: int,
) -> search.Hypotheses:
    """See `nmt.decoding.search.beam_search`; `forbidden_id` is never produced, either."""

    def find(model, source, source_mask, max_lengths, allowed, length_norm, pieces, prepared):
        return search.beam_search(
            model,
            source,
            source_mask,
            **special._asdict(),
            beam_size=beam_size,
            length_norm=length_norm,
            max_lengths=max_lengths,
            max_length=max_length,
            num_hypotheses=num_hypotheses,
            shortlist=None if pieces is None else (pieces, allowed),
            prepared=prepared.together(forbidden_id),
        )

    pieces, allowed = (None, None) if shortlist is None else shortlist
    rows = source, source_mask, max_lengths, allowed
    return _on_each_device(find, graph, params, mesh, rows, length_norm, pieces, prepared)


@partial(
    jax.jit,
    static_argnames=(
        "graph",
        "mesh",
        "special",
        "forbidden_id",
        "top_k",
        "max_length",
        "num_hypotheses",
    ),
)
def sample(
    graph: nnx.GraphDef,
    params: Params,
    prepared: PreparedParts,
    source: Array,
    source_mask: Array,
    max_lengths: Array,
    numbers: Array,
    length_norm: Array,
    seed: Array,
    temperature: Array,
    top_p: Array | None,
    *,
    mesh: Mesh,
    special: SpecialPieces,
    forbidden_id: int | None = None,
    top_k: int | None,
    max_length: int,
    num_hypotheses: int,
) -> search.Hypotheses:
    """See `nmt.decoding.sampling.sample`; `forbidden_id` is never produced, either.

    The key of a sentence is made from `seed` () and its own line and part in `numbers` (B, 2).
    """

    def draw(
        model, source, source_mask, max_lengths, numbers, length_norm, seed, drawn_from, prepared
    ):
        temperature, top_p = drawn_from
        of_lines = keys_of_sentences(jax.random.key(seed), numbers[:, 0])
        keys = jax.vmap(jax.random.fold_in)(of_lines, numbers[:, 1])
        return sampling.sample(
            model,
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
            prepared=prepared.together(forbidden_id),
        )

    rows = source, source_mask, max_lengths, numbers
    drawn_from = temperature, top_p
    return _on_each_device(draw, graph, params, mesh, rows, length_norm, seed, drawn_from, prepared)


@partial(jax.jit, static_argnames=("graph", "mesh"))
def forced_log_probs(
    graph: nnx.GraphDef,
    params: Params,
    source: Array,
    source_mask: Array,
    target_in: Array,
    target_out: Array,
    target_mask: Array,
    *,
    mesh: Mesh,
) -> Array:
    """Log-probabilities of given pieces.

    Args:
      graph, params: the model.
      source, source_mask: (B, S).
      target_in, target_out, target_mask: (B, T).
      mesh: the devices.
    Returns:
      (B, T), zero on padding. Logits are made position by position, never all at once.
    """

    def score(model, source, source_mask, target_in, target_out, target_mask):
        features = model(source, source_mask, target_in).features  # B T E
        projection = model.projection()
        kernel = biased_kernel(projection)

        def at_position(now):
            features, pieces = now  # (B, E), (B,)
            logits = logits_from_biased(features, kernel, projection.precision)
            return log_probs_of_pieces(logits, pieces)

        log_probs = jax.lax.map(at_position, (features.swapaxes(0, 1), target_out.T)).T
        return jnp.where(target_mask, log_probs, 0.0)

    rows = source, source_mask, target_in, target_out, target_mask
    return _on_each_device(score, graph, params, mesh, rows)


@partial(jax.jit, static_argnames=("graph", "mesh"))
def forced_alignment(
    graph: nnx.GraphDef,
    params: Params,
    source: Array,
    source_mask: Array,
    target_in: Array,
    layer: Array,
    head: Array | None,
    *,
    mesh: Mesh,
) -> Array:
    """The alignment of given pieces by one layer.

    Args:
      graph, params: a model with attention.
      source, source_mask: (B, S).
      target_in: (B, T).
      layer: (), from 0.
      head: (), from 0; None for the mean of the heads.
      mesh: the devices.
    Returns:
      (B, T, S).
    """

    def align(model, source, source_mask, target_in, layer, head):
        return choose_alignment(model.align(source, source_mask, target_in), layer, head)

    rows = source, source_mask, target_in
    return _on_each_device(align, graph, params, mesh, rows, layer, head)


@partial(jax.jit, static_argnames=("graph", "mesh"))
def forced_heads(
    graph: nnx.GraphDef,
    params: Params,
    source: Array,
    source_mask: Array,
    target_in: Array,
    *,
    mesh: Mesh,
) -> Array:
    """The alignments of given pieces by every layer and head, (B, layers, N, T, S)."""

    def align(model, source, source_mask, target_in):
        return model.align(source, source_mask, target_in)

    return _on_each_device(align, graph, params, mesh, (source, source_mask, target_in))


@partial(jax.jit, static_argnames=("graph", "mesh"))
def forced_saliency(
    graph: nnx.GraphDef,
    params: Params,
    source: Array,
    source_mask: Array,
    target_in: Array,
    target_out: Array,
    *,
    mesh: Mesh,
) -> Array:
    """See `nmt.decoding.saliency.saliency`."""
    rows = source, source_mask, target_in, target_out
    return _on_each_device(saliency.saliency, graph, params, mesh, rows)


def _on_each_device(
    program: Callable[..., Any],
    graph: nnx.GraphDef,
    params: Params,
    mesh: Mesh,
    rows: tuple[Array | None, ...],
    *others: Any,
) -> Any:
    """Runs program(model, *rows, *others) on each device, for the device's own rows.

    Args:
      program: gives a pytree of arrays (B, ...).
      graph, params, mesh: the model and its devices.
      rows: (B, ...), dealt out over the devices in their order; None stays None.
      others: pytrees, the same for all rows; None stays None.
    """

    def on_one(params: Params, rows: tuple, others: tuple) -> Any:
        model: Seq2Seq = merge_model(graph, params)
        return program(model, *rows, *others)

    # Checked, every carry of a loop would have to be marked as differing by device, in models too,
    # which know of no mesh. What the check is for, collectives and their gradients, is not here.
    whole = PartitionSpec()
    by_device = jax.shard_map(
        on_one, mesh=mesh, in_specs=(whole, ROWS, whole), out_specs=ROWS, check_vma=False
    )
    found = by_device(params, rows, others)
    if not mesh.is_multi_process:
        return found
    # After the search, and not in it: so each process can read the rows of the others.
    return jax.lax.with_sharding_constraint(found, replicated(mesh))
