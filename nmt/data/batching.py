"""Batches of a few shapes, each a pure function of its index.

An epoch has `num_batches` batches and every pair exactly once. Its order comes from two streams
of random numbers that nothing else draws from; a third serves subword sampling, where it is on:

    order of shapes           (data_seed, epoch)
    sentences of a shape      (model_seed, data_seed, epoch, shape)
    pieces of a batch         (model_seed, data_seed, index)

so runs that differ in the model's seed alone see the same shapes at the same steps, and what
batch 1000 is does not depend on what has been asked for before. A padded example, with PAD 0,
BOS 2, EOS 3 and a filler row at the end:

    source      5 6 3     target_in   2 8 9 0     target_out   8 9 3 0     target_mask   1 1 1 0
                7 3 0                 2 8 0 0                  8 3 0 0                   1 1 0 0
                3 0 0                 2 0 0 0                  0 0 0 0                   0 0 0 0
"""

import copy
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nmt.data.encoding import EncodedPairs, within
from nmt.data.piece_links import PieceLinks
from nmt.data.ragged import Ragged
from nmt.data.sampling import SubwordSampler
from nmt.data.shapes import Shape, assign_shapes, choose_shapes
from nmt.data.vocabulary import SpecialPieces
from nmt.errors import DataError

__all__ = ["Batch", "Batches", "EvaluationBatches", "Shape", "choose_shapes"]

FILLER = -1  # in place of a pair's index: a row that only fills the shape
ORDER_STREAM, SENTENCE_STREAM, PIECE_STREAM = 1, 2, 3  # keep the streams apart, whatever the seeds


class Batch(NamedTuple):
    """What one step of training or scoring reads; all arrays are numpy.

    Attributes:
      source: (B, S) int32, EOS at the end, then PAD. A filler row is EOS alone.
      source_mask: (B, S) bool, True on real pieces, EOS included; at least one in every row.
      target_in: (B, T) int32, BOS first.
      target_out: (B, T) int32, EOS at the end, then PAD.
      target_mask: (B, T) bool, True on real pieces of `target_out`; none in a filler row.
      links: (B, T, S) bool, the linked pieces; None where the alignment is not guided.
    """

    source: np.ndarray
    source_mask: np.ndarray
    target_in: np.ndarray
    target_out: np.ndarray
    target_mask: np.ndarray
    links: np.ndarray | None = None


class Fill(NamedTuple):
    """The share of positions that hold real pieces, over an epoch."""

    source: float
    target: float


class Batches:
    """The batches of training, without end: batch(index) for any index of 0 or more."""

    def __init__(
        self,
        pairs: EncodedPairs,
        shapes: list[Shape],
        special: SpecialPieces,
        *,
        data_seed: int,
        model_seed: int,
        kept: np.ndarray | None = None,
        sampler: SubwordSampler | None = None,
        piece_links: PieceLinks | None = None,
    ):
        """Sorts the pairs by shape.

        Args:
          pairs: the encoded split.
          shapes: every kept pair fits one of them, by the sampler's lengths where there is one.
          special: the ids of PAD, BOS and EOS.
          data_seed, model_seed: 0 or more, see the head of this file.
          kept: (kept,) indices of the pairs to use; all when None.
          sampler: draws the pieces of every batch anew; those of `pairs` are used when None.
          piece_links: of the pairs; batches have none when None.
        Raises:
          DataError: there is no pair.
        """
        kept = within(pairs, None) if kept is None else kept
        if not len(kept):
            raise DataError("no training pairs are left: the corpus is empty or all were dropped")
        self.pairs, self.shapes, self.special = pairs, list(shapes), special
        self.data_seed, self.model_seed, self.sampler = data_seed, model_seed, sampler
        self.piece_links = piece_links
        lengths = _lengths(pairs) if sampler is None else sampler.lengths
        self._members = _members(lengths, self.shapes, kept)
        batches = [-(-len(m) // s.rows) for m, s in zip(self._members, self.shapes, strict=True)]
        self._shape_numbers = np.repeat(np.arange(len(self.shapes)), batches)
        # Two epochs are held, as the thread that works ahead may be in the next one. They are a
        # memory of pure functions: forgetting them changes nothing.
        self._order = lru_cache(maxsize=2)(self._make_order)
        self._permuted = lru_cache(maxsize=2 * len(self.shapes))(self._permute)

    def with_seed(self, model_seed: int) -> "Batches":
        """The same pairs in the same order of shapes, dealt out as for another model's seed."""
        other = copy.copy(self)
        other.model_seed = model_seed
        other._permuted = lru_cache(maxsize=2 * len(self.shapes))(other._permute)
        return other

    @property
    def num_batches(self) -> int:
        """Batches of an epoch, the same for all."""
        return len(self._shape_numbers)

    @property
    def fill(self) -> Fill:
        """The share of positions that hold real (canonical) pieces, over an epoch."""
        shapes = [self.shapes[k] for k in self._shape_numbers]
        return _fill(self.pairs, np.concatenate(self._members), shapes)

    def epoch_of(self, index: int) -> int:
        """The epoch that a batch belongs to, from 0."""
        return index // self.num_batches

    def shape_of(self, index: int) -> Shape:
        """The shape of a batch."""
        epoch, position = divmod(index, self.num_batches)
        return self.shapes[self._order(epoch)[0][position]]

    def shapes_from(self, index: int) -> list[Shape]:
        """All shapes that have batches, in the order in which those from `index` on need them."""
        epoch, position = divmod(index, self.num_batches)
        numbers = np.concatenate([self._order(epoch)[0][position:], self._order(epoch + 1)[0]])
        found, first = np.unique(numbers, return_index=True)
        return [self.shapes[number] for number in found[np.argsort(first)]]

    def indices(self, index: int) -> np.ndarray:
        """The pairs of a batch, (B,), with FILLER (-1) at the end where rows are filler."""
        epoch, position = divmod(index, self.num_batches)
        numbers, ranks = self._order(epoch)
        number, rank = int(numbers[position]), int(ranks[position])
        rows = self.shapes[number].rows
        chosen = self._permuted(epoch, number)[rank * rows : (rank + 1) * rows]
        return _filled_up(chosen, rows)

    def batch(self, index: int) -> Batch:
        """The batch of an index: the same whenever and however often it is asked for."""
        indices, shape = self.indices(index), self.shape_of(index)
        if self.sampler is None:
            batch = make_batch(self.pairs, indices, shape, self.special)
        else:
            real = indices[indices != FILLER]
            seeds = PIECE_STREAM, self.model_seed, self.data_seed, index
            drawn = self.sampler.sample(real, shape, seeds)
            rows = _filled_up(np.arange(len(real)), shape.rows)
            batch = make_batch(drawn, rows, shape, self.special)
        if self.piece_links is None:
            return batch
        links = self.piece_links.matrices(indices, batch.source, batch.target_out)
        return batch._replace(links=links)

    def _make_order(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The shape of each batch of an epoch, and which of that shape's batches it is."""
        order = _permutation(self.num_batches, ORDER_STREAM, self.data_seed, epoch)
        numbers = self._shape_numbers[order]
        firsts = np.searchsorted(self._shape_numbers, np.arange(len(self.shapes)))
        ranks = np.empty_like(numbers)
        by_shape = np.argsort(numbers, kind="stable")
        ranks[by_shape] = np.arange(self.num_batches) - firsts[numbers[by_shape]]
        return numbers, ranks

    def _permute(self, epoch: int, number: int) -> np.ndarray:
        members = self._members[number]
        seeds = SENTENCE_STREAM, self.model_seed, self.data_seed, epoch, number
        return members[_permutation(len(members), *seeds)]


class EvaluationBatches:
    """All pairs of a split once, in batches of few shapes.

    Iterating gives (batch, indices), where indices (B,) names the pair of each row, FILLER (-1)
    for rows of filler.
    """

    def __init__(
        self,
        pairs: EncodedPairs,
        special: SpecialPieces,
        *,
        num_shapes: int = 8,
        batch_pieces: int = 4096,
        row_multiple: int = 8,
    ):
        """Sorts the pairs by shape.

        Args:
          pairs: the encoded split.
          special: the ids of PAD, BOS and EOS.
          num_shapes, batch_pieces, row_multiple: choose the split's own shapes.
        """
        source_lengths, target_lengths = pairs.source.lengths, pairs.target.lengths
        shapes = choose_shapes(
            source_lengths,
            target_lengths,
            num_shapes=num_shapes,
            batch_pieces=batch_pieces,
            batch_sentences=None,
            row_multiple=row_multiple,
        )
        self.pairs, self.shapes, self.special = pairs, list(shapes), special
        self._plan = [
            (shape, _filled_up(members[start : start + shape.rows], shape.rows))
            for shape, members in zip(
                self.shapes,
                _members(_lengths(pairs), self.shapes, np.arange(len(pairs))),
                strict=True,
            )
            for start in range(0, len(members), shape.rows)
        ]

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int) -> tuple[Batch, np.ndarray]:
        shape, indices = self._plan[index]
        return make_batch(self.pairs, indices, shape, self.special), indices

    def __iter__(self) -> Iterator[tuple[Batch, np.ndarray]]:
        return (self[index] for index in range(len(self)))


def make_batch(
    pairs: EncodedPairs, indices: np.ndarray, shape: Shape, special: SpecialPieces
) -> Batch:
    """Pads the pairs of these indices to a shape.

    Args:
      pairs: the encoded split.
      indices: (B,), FILLER (-1) for rows of filler.
      shape: at least as long as the pairs.
      special: the ids of PAD, BOS and EOS.
    """
    source, source_mask = _padded(pairs.source, indices, shape.source, special.pad_id)
    target, target_mask = _padded(pairs.target, indices, shape.target, special.pad_id)
    filler = indices == FILLER
    source[filler, 0] = special.eos_id
    source_mask[filler, 0] = True
    target_in = np.full_like(target, special.pad_id)
    target_in[:, 0] = special.bos_id
    np.copyto(target_in[:, 1:], target[:, :-1], where=target_mask[:, 1:])  # all but EOS
    return Batch(source, source_mask, target_in, target, target_mask)


def _lengths(pairs: EncodedPairs) -> tuple[np.ndarray, np.ndarray]:
    return pairs.source.lengths, pairs.target.lengths


def _members(
    lengths: tuple[np.ndarray, np.ndarray], shapes: list[Shape], kept: np.ndarray
) -> list[np.ndarray]:
    """The pairs of each shape, ascending; lengths (N,) of both sides."""
    assigned = assign_shapes(*(side[kept] for side in lengths), shapes)
    return [kept[assigned == number] for number in range(len(shapes))]


def _filled_up(indices: np.ndarray, rows: int) -> np.ndarray:
    filled = np.full(rows, FILLER, np.int64)
    filled[: len(indices)] = indices
    return filled


def _fill(pairs: EncodedPairs, indices: np.ndarray, shapes: list[Shape]) -> Fill:
    real = (int(side.lengths[indices].sum()) for side in (pairs.source, pairs.target))
    padded = sum(s.rows * s.source for s in shapes), sum(s.rows * s.target for s in shapes)
    return Fill(*(r / max(p, 1) for r, p in zip(real, padded, strict=True)))


def _permutation(size: int, *seeds: int) -> np.ndarray:
    """A permutation of range(size) from seeds of 0 or more.

    It sorts random numbers of the bit generator itself: numpy promises its stream for good, but
    not that of `Generator.permutation`.
    """
    bits = np.random.PCG64(np.random.SeedSequence(seeds))
    return np.argsort(bits.random_raw(size), kind="stable")


def _padded(
    sequences: Ragged, indices: np.ndarray, length: int, pad_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sequences as rows, (B, length) int32, and the mask of their real positions; all in one go."""
    starts = sequences.offsets[indices]
    lengths = np.where(indices == FILLER, 0, sequences.offsets[indices + 1] - starts)
    places = np.arange(length)
    mask = places < lengths[:, None]
    padded = np.full(mask.shape, pad_id, np.int32)
    padded[mask] = sequences.values[(starts[:, None] + places)[mask]]
    return padded, mask
