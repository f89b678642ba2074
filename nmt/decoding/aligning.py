"""Alignments of given translations, whoever chose their pieces: between pieces, then between words.

One forced pass over the translation's own pieces gives them. A hypothesis that the search cut off
ends with EOS like any other: it is the only piece that the search allows at the last position.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from flax import nnx
from jax.sharding import Mesh

from nmt.analysis.alignment import Alignment
from nmt.analysis.links import Unit, Units, word_alignment
from nmt.config.language_codes import has_spaces
from nmt.config.schema import DataConfig
from nmt.data.vocabulary import Span, SpecialPieces, Vocabulary
from nmt.decoding import programs
from nmt.decoding.methods import SALIENCY, AlignmentMethod, check_method
from nmt.decoding.scoring import ForcedBatch, Ids, forced_batches
from nmt.models.build import Params, merge_model
from nmt.models.seq2seq import choose_alignment


class PieceAlignment(NamedTuple):
    """The alignment of a pair between pieces, rows and columns of EOS included, without padding.

    Attributes:
      matrix: (T, S).
      heads: those of every layer and head, (layers, N, T, S); None where not asked for.
    """

    matrix: np.ndarray
    heads: np.ndarray | None = None


class Segmented(NamedTuple):
    """A text in the pieces of a vocabulary.

    Attributes:
      text: of which the pieces are.
      ids: EOS at the end.
      spans: where each piece stands, without EOS.
    """

    text: str
    ids: Ids
    spans: Sequence[Span]


def segment(vocabulary: Vocabulary, text: str) -> Segmented:
    """A text in its canonical pieces."""
    pieces = vocabulary.encode_with_spans(text)
    return Segmented(text, np.array([*pieces.ids, vocabulary.eos_id], np.int32), pieces.spans)


def segment_ids(
    vocabulary: Vocabulary, ids: Ids, unknown: Sequence[str] | None = None
) -> Segmented:
    """The text of pieces that were chosen by a search, EOS at their end.

    Args:
      vocabulary: of the pieces.
      ids: of them.
      unknown: what is written for each unknown piece; None leaves the vocabulary's mark.
    """
    decoded = vocabulary.decode_with_spans(ids, unknown)
    return Segmented(decoded.text, ids, decoded.spans[:-1])


def units_of(data: DataConfig) -> Units:
    """The units of a corpus: pieces where a language has no spaces and the text was given none."""

    def unit(language: str) -> Unit:
        return "word" if has_spaces(language, tokenized=data.tokenized) else "piece"

    return Units(unit(data.source_language), unit(data.target_language))


def align_segmented(
    sources: Sequence[Segmented],
    targets: Sequence[Segmented],
    alignments: Sequence[PieceAlignment],
    units: Units,
) -> list[Alignment]:
    """Joins the pieces of alignments into words, or what else `units` says."""
    return [
        word_alignment(
            alignment.matrix,
            source.text,
            source.spans,
            target.text,
            target.spans,
            source_unit=units.source,
            target_unit=units.target,
            heads=alignment.heads,
        )
        for source, target, alignment in zip(sources, targets, alignments, strict=True)
    ]


def align_ids(
    graph: nnx.GraphDef,
    params: Params,
    sources: Sequence[Ids],
    targets: Sequence[Ids],
    special: SpecialPieces,
    *,
    mesh: Mesh,
    method: AlignmentMethod | None = None,
    heads: bool = False,
    batch_sentences: int = 64,
    on_batch: Callable[[list[int]], object] | None = None,
) -> list[PieceAlignment]:
    """Alignments of given translations, pair by pair.

    Args:
      graph, params: the model, whole on every device of the mesh.
      sources, targets: ids with EOS at the end.
      special: the special pieces.
      mesh: the devices that share the work.
      method: how the alignment of a piece is read; where it names no layer, the config's.
      heads: whether to give those of every layer and head too.
      batch_sentences: rows of a batch at most, on each device.
      on_batch: called after each batch with the indices of its pairs.
    Raises:
      NmtError: the model cannot be aligned so.
    """
    attentions = merge_model(graph, params).cross_attentions
    method = method or AlignmentMethod()
    check_method(method, attentions, heads=heads)
    if method.layer is None and method.name != SALIENCY:
        method = replace(method, layer=attentions.layer, head=attentions.head)
    # So that row i + offset is there for every piece; of EOS's own row nothing is made.
    later = [special.eos_id] * method.row_offset
    read = [np.array([*ids, *later], np.int32) for ids in targets]

    found: list[PieceAlignment | None] = [None] * len(sources)
    for batch in forced_batches(sources, read, special, batch_sentences, mesh.size):
        aligned = _align_batch(graph, params, batch, method, heads, mesh)
        for row, i in enumerate(batch.indices):
            rows = slice(method.row_offset, method.row_offset + len(targets[i]))
            here = row, ..., rows, slice(len(sources[i]))
            found[i] = PieceAlignment(
                aligned.matrix[here].copy(),
                None if aligned.heads is None else aligned.heads[here].copy(),
            )
        if on_batch:
            on_batch(batch.indices)
    return found


def _align_batch(
    graph: nnx.GraphDef,
    params: Params,
    batch: ForcedBatch,
    method: AlignmentMethod,
    heads: bool,
    mesh: Mesh,
) -> PieceAlignment:
    """All rows of a batch, padding included, by one pass: (B, T, S), and (B, layers, N, T, S)."""
    model, pieces = (graph, params), (batch.source, batch.source_mask, batch.target_in)
    every = None
    if method.name == SALIENCY:
        chosen = programs.forced_saliency(*model, *pieces, batch.target_out, mesh=mesh)
    elif heads:
        every = np.asarray(programs.forced_heads(*model, *pieces, mesh=mesh))
        chosen = choose_alignment(every, method.layer, method.head)
    else:
        head = None if method.head is None else np.int32(method.head)
        chosen = programs.forced_alignment(*model, *pieces, np.int32(method.layer), head, mesh=mesh)
    return PieceAlignment(np.asarray(chosen), every)
