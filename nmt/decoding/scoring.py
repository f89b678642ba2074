"""Forced decoding: the log-probabilities of given pieces, whoever chose them."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from flax import nnx
from jax.sharding import Mesh

from nmt.data.vocabulary import SpecialPieces
from nmt.decoding import programs
from nmt.decoding.lattice import Group, group_by_length, pad
from nmt.models.build import Params

Ids = np.ndarray  # (length,) int32, of one sentence
# Of (B, T, S), and of (B, T, T) and (B, S, S) where positions of a side attend to one another, on a
# device: 16 MiB for each layer and head of the model.
MAX_CELLS = 2**22
MOST_SHARING = 4  # batches of one shape: a pass takes a tenth of what its program takes to compile


class PairScore(NamedTuple):
    """What the model says of a given translation.

    Attributes:
      log_prob: summed over its pieces, EOS included.
      num_pieces: of the translation, EOS included.
    """

    log_prob: float
    num_pieces: int


class ForcedBatch(NamedTuple):
    """Pairs that are decoded together; the arrays have lattice shapes.

    Attributes:
      indices: of the pairs, in the order of the rows; rows after them are filler.
      source, source_mask: (B, S).
      target_in, target_out, target_mask: (B, T).
    """

    indices: list[int]
    source: np.ndarray
    source_mask: np.ndarray
    target_in: np.ndarray
    target_out: np.ndarray
    target_mask: np.ndarray


def score_ids(
    graph: nnx.GraphDef,
    params: Params,
    sources: Sequence[Ids],
    targets: Sequence[Ids],
    special: SpecialPieces,
    *,
    mesh: Mesh,
    batch_sentences: int = 64,
    on_batch: Callable[[list[int]], object] | None = None,
) -> list[PairScore]:
    """Scores translations, pair by pair.

    Args:
      graph, params: the model, whole on every device of the mesh.
      sources, targets: ids with EOS at the end.
      special: the special pieces.
      mesh: the devices that share the work.
      batch_sentences: rows of a batch at most, on each device.
      on_batch: called after each batch with the indices of its pairs.
    """
    scores: list[PairScore | None] = [None] * len(sources)
    for batch in forced_batches(sources, targets, special, batch_sentences, mesh.size):
        log_probs = programs.forced_log_probs(graph, params, *batch[1:], mesh=mesh)
        log_probs = np.asarray(log_probs)  # B T
        for row, i in enumerate(batch.indices):
            scores[i] = PairScore(float(log_probs[row].sum(dtype=np.float64)), len(targets[i]))
        if on_batch:
            on_batch(batch.indices)
    return scores


def forced_batches(
    sources: Sequence[Ids],
    targets: Sequence[Ids],
    special: SpecialPieces,
    batch_sentences: int,
    num_devices: int,
) -> Iterator[ForcedBatch]:
    """Every pair once, in batches of few shapes. A filler row is a lone EOS, nothing to score."""
    assert len(sources) == len(targets), "a target to each source"
    lengths = [(len(s), len(t)) for s, t in zip(sources, targets, strict=True)]
    filler = [special.eos_id]
    groups = group_by_length(lengths, batch_sentences, num_devices, most_sharing=MOST_SHARING)
    for indices, rows, shape in _of_bounded_size(groups, num_devices):
        source, source_mask = pad(
            [sources[i] for i in indices], rows, shape[0], filler, special.pad_id
        )
        target_out, target_mask = pad(
            [targets[i] for i in indices], rows, shape[1], filler, special.pad_id
        )
        target_mask[len(indices) :] = False
        target_in = np.roll(target_out, 1, axis=1)
        target_in[:, 0] = special.bos_id
        yield ForcedBatch(indices, source, source_mask, target_in, target_out, target_mask)


def _of_bounded_size(groups: Sequence[Group], num_devices: int) -> Iterator[Group]:
    """The groups, those of long pairs cut into smaller ones of fewer rows."""
    for group in groups:
        rows = min(group.rows, num_devices * max(1, MAX_CELLS // max(group.lengths) ** 2))
        for start in range(0, len(group.indices), rows):
            yield Group(group.indices[start : start + rows], rows, group.lengths)
