"""The lattice of shapes: the few (rows, S, T) that all batches of a split have.

A program is compiled for each shape, so there must be few; and what a shape is longer than its
sentences is padding, so they must fit. They are chosen by dynamic programming on the split's own
length histogram. Target lengths are cut into buckets, and each bucket's source lengths into
buckets of their own:

    T = 12:   S = 9, 13, 21
    T = 20:   S = 17, 40

The cost of a shape is what its batches compute, filler rows included:

    batches * rows * (S + TARGET_COST * T)

With W(a, b, k) the least cost of the pairs with target lengths in (a, b] in k shapes of T = b,
itself such a recurrence over source lengths, the least cost of all target lengths up to b is

    F(b, n) = min over a < b, k <= n of  F(a, n - k) + W(a, b, k)
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

TARGET_COST = 3  # of a target position in source positions: attention and the vocabulary matrix
MAX_CANDIDATES = 64  # lengths of a side that are tried as bounds; beyond it they are thinned out
_BLOCK = 1 << 20  # lengths that are counted at a time
UNREACHABLE = np.int64(1) << 60  # a cost above all others; the sum of two still fits


class Shape(NamedTuple):
    """What a batch measures: rows (B), source length (S) and target length (T), EOS counted."""

    rows: int
    source: int
    target: int


class Rows(NamedTuple):
    """How many rows the batches of a shape get.

    Attributes:
      batch_pieces: target positions of a batch, a bound where that leaves `row_multiple` rows.
      batch_sentences: if given, exactly so many rows instead, whatever `row_multiple` is.
      row_multiple: rows are a multiple of this.
    """

    batch_pieces: int
    batch_sentences: int | None
    row_multiple: int

    def count(self, num_pairs: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of a shape's batches, and how many of these there are.

        The pairs are dealt out evenly: 210 pairs where 200 rows are allowed make two batches of
        112, not one of 200 and one with 190 rows of filler.

        Args:
          num_pairs: of the shape, any array of ints.
          target: T.
        Returns:
          rows and batches, arrays like `num_pairs`; no batches for no pairs.
        """
        if self.batch_sentences is not None:
            batches = -(-num_pairs // self.batch_sentences)
            return np.full_like(num_pairs, self.batch_sentences), batches
        most = max(self.batch_pieces // target // self.row_multiple, 1) * self.row_multiple
        batches = -(-num_pairs // most)
        even = -(-num_pairs // np.maximum(batches, 1))
        return np.maximum(-(-even // self.row_multiple), 1) * self.row_multiple, batches


def choose_shapes(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    *,
    num_shapes: int,
    batch_pieces: int,
    batch_sentences: int | None,
    row_multiple: int,
) -> list[Shape]:
    """Chooses the shapes that cost least for pairs of these lengths.

    Args:
      source_lengths, target_lengths: (N,) ints of 1 or more, EOS counted.
      num_shapes: the most shapes; fewer where more would not pay, and no more than there would be
        batches of a single shape, as each shape is compiled.
      batch_pieces, batch_sentences, row_multiple: see `Rows`.
    Returns:
      the shapes by ascending target, then source length; none for no pairs. The bounds are
      optimal where neither side has more than MAX_CANDIDATES different lengths.
    """
    if not len(source_lengths):
        return []
    rule = Rows(batch_pieces, batch_sentences, row_multiple)
    _, batches = rule.count(np.array(len(target_lengths)), int(target_lengths.max()))
    num_shapes = min(num_shapes, int(batches))
    sources, targets = _candidates(source_lengths), _candidates(target_lengths)
    # table[b, j]: pairs whose target is at most targets[b - 1] and source at most sources[j - 1]
    table = np.zeros((len(targets) + 1, len(sources) + 1), np.int64)
    for source, target in zip(_blocks(source_lengths), _blocks(target_lengths), strict=True):
        places = np.searchsorted(targets, target), np.searchsorted(sources, source)
        np.add.at(table[1:, 1:], places, 1)
    table = table.cumsum(0).cumsum(1)
    shapes, end = [], len(targets)
    for start, num_sources in _cut_targets(table, sources, targets, num_shapes, rule):
        counts = table[end] - table[start]
        shapes += _cut_sources(counts, sources, int(targets[end - 1]), num_sources, rule)
        end = start
    shapes.sort(key=lambda shape: (shape.target, shape.source))
    assigned = assign_shapes(source_lengths, target_lengths, shapes)
    longest = [int(source_lengths[assigned == number].max()) for number in range(len(shapes))]
    return [shape._replace(source=s) for shape, s in zip(shapes, longest, strict=True)]


def assign_shapes(
    source_lengths: np.ndarray, target_lengths: np.ndarray, shapes: list[Shape]
) -> np.ndarray:
    """The shape of each pair: the first by target length, then source length, that holds it.

    Args:
      source_lengths, target_lengths: (N,).
      shapes: in any order; every pair must fit one of them.
    Returns:
      (N,) indices of shapes.
    """
    assigned = np.full(len(source_lengths), -1, np.int32)
    order = sorted(range(len(shapes)), key=lambda k: (shapes[k].target, shapes[k].source))
    for k in reversed(order):  # the first that fits is written last
        fits = (source_lengths <= shapes[k].source) & (target_lengths <= shapes[k].target)
        assigned[fits] = k
    assert (assigned >= 0).all(), "a pair fits no shape"
    return assigned


def _candidates(lengths: np.ndarray) -> np.ndarray:
    """The lengths that may bound a shape, ascending, with the longest.

    Of more than MAX_CANDIDATES different ones, those are taken that cut into even parts both the
    positions (bounds where the text is) and the range of lengths (bounds in the long tail).
    """
    counts = np.zeros(int(lengths.max()) + 1, np.int64)
    for block in _blocks(lengths):
        counts += np.bincount(block, minlength=len(counts))
    values = np.flatnonzero(counts)
    counts = counts[values]
    if len(values) <= MAX_CANDIDATES:
        return values
    positions = np.cumsum(values * counts)
    place = positions / positions[-1] + (values - values[0]) / (values[-1] - values[0])  # to 2
    cuts = np.linspace(0, place[-1], MAX_CANDIDATES + 1)[1:-1]
    return values[np.union1d(np.searchsorted(place, cuts), len(values) - 1)]


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """An array that may have a billion elements, in parts: temporary arrays stay small."""
    return (array[start : start + _BLOCK] for start in range(0, len(array), _BLOCK))


def _segment_costs(counts: np.ndarray, sources: np.ndarray, target: int, rule: Rows) -> np.ndarray:
    """The cost of one shape for the pairs with source lengths in (i, j].

    Args:
      counts: (..., L + 1), pairs with at most sources[j - 1] source pieces; 0 at j = 0.
      sources: (L,).
      target: T.
    Returns:
      (..., L + 1, L + 1) at [i, j]; unreachable where i >= j.
    """
    rows, batches = rule.count(counts[..., None, :] - counts[..., :, None], target)
    positions = np.concatenate([[0], sources]) + TARGET_COST * target
    places = np.arange(len(positions))
    return np.where(places[:, None] < places, rows * batches * positions, UNREACHABLE)


def _one_more(least: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """min over i of least[i] + costs[i, j]: one more shape, or as many where that is cheaper."""
    return np.minimum(least, (least[..., :, None] + costs).min(-2))


def _cut_targets(
    table: np.ndarray, sources: np.ndarray, targets: np.ndarray, num_shapes: int, rule: Rows
) -> list[tuple[int, int]]:
    """Cuts the target lengths into buckets.

    Returns:
      from the last bucket to the first, the place where it starts and its number of shapes.
    """
    best = np.full((len(targets) + 1, num_shapes + 1), UNREACHABLE)  # F(b, n)
    best[0] = 0
    choices = {}
    for end in range(1, len(targets) + 1):
        costs = _bucket_costs(
            table[end] - table[:end], sources, int(targets[end - 1]), num_shapes, rule
        )
        for total in range(1, num_shapes + 1):
            for inside in range(1, total + 1):
                all_costs = best[:end, total - inside] + costs[inside - 1]
                start = int(all_costs.argmin())
                if all_costs[start] < best[end, total]:
                    best[end, total] = all_costs[start]
                    choices[end, total] = start, inside
    end, total = len(targets), int(best[-1].argmin())  # the fewest shapes of the least cost
    cuts = []
    while end:
        start, inside = choices[end, total]
        cuts.append((start, inside))
        end, total = start, total - inside
    return cuts


def _bucket_costs(
    counts: np.ndarray, sources: np.ndarray, target: int, num_shapes: int, rule: Rows
) -> np.ndarray:
    """W: the least cost of target buckets that end at `target`, in 1, 2, ... shapes.

    Args:
      counts: (A, L + 1), pairs of each of A buckets by source length, cumulative.
    Returns:
      (num_shapes, A).
    """
    segments = _segment_costs(counts, sources, target, rule)
    least = np.full(counts.shape, UNREACHABLE)
    least[:, 0] = 0
    complete = counts == counts[:, -1:]  # past a bucket's longest source nothing is left to hold
    costs = []
    for _ in range(num_shapes):
        least = _one_more(least, segments)
        costs.append(np.where(complete, least, UNREACHABLE).min(-1))
    return np.stack(costs)


def _cut_sources(
    counts: np.ndarray, sources: np.ndarray, target: int, num_shapes: int, rule: Rows
) -> list[Shape]:
    """The shapes of one target bucket: `_bucket_costs` again, with the way back."""
    segments = _segment_costs(counts, sources, target, rule)
    least = [np.full(counts.shape, UNREACHABLE)]
    least[0][0] = 0
    for _ in range(num_shapes):
        least.append(_one_more(least[-1], segments))
    end = int(np.where(counts == counts[-1], least[-1], UNREACHABLE).argmin())
    shapes = []
    for before in reversed(least[:-1]):
        if before[end] <= (before + segments[:, end]).min():  # one shape fewer did as well
            continue
        start = int((before + segments[:, end]).argmin())
        rows, _ = rule.count(counts[end] - counts[start], target)
        if counts[end] > counts[start]:
            shapes.append(Shape(int(rows), int(sources[end - 1]), target))
        end = start
    return shapes
