"""Batches for decoding: sequences of like length together, in few shapes.

To compile another program takes longer than to decode a few batches over some padding, so where
there are only a few they share a shape that is not much too large for them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

FEW = 8  # batches; of more, each shape has enough to be compiled for them
MOST_PADDING = 2  # times the length of a side that a batch has without sharing


class Group(NamedTuple):
    """Sequences that are decoded together.

    Attributes:
      indices: of the sequences, in the order of the batch's rows.
      rows: rows of the batch; those after the indices are filler.
      lengths: of the batch's arrays, one for each side.
    """

    indices: list[int]
    rows: int
    lengths: tuple[int, ...]


def round_up(length: int) -> int:
    """The next of 8, 16, 24, 32, 48, 64, 96, 128, ...: from 16 on, steps of a third to a half."""
    if length <= 8:
        return 8
    power = 16
    while power < length:
        power *= 2
    three_quarters = power * 3 // 4
    return three_quarters if length <= three_quarters and power > 16 else power


def group_by_length(
    lengths: Sequence[tuple[int, ...]],
    batch_sentences: int,
    num_devices: int,
    *,
    most_sharing: int = 1,
) -> list[Group]:
    """Cuts the sequences, sorted by length, into batches of equally many rows.

    A small input gets fewer rows, so that one sentence is fast; of a large one the batch of the
    shortest sequences has the filler, where it costs least.

    Args:
      lengths: for each sequence its lengths (of source, or of source and target).
      batch_sentences: rows of a batch at most, on each device.
      num_devices: that a batch is dealt out over; each gets equally many rows.
      most_sharing: batches in a row that may get one shape for all of them, where there are few.
    """
    of_device = -(-len(lengths) // num_devices)
    rows = num_devices * min(_rows_for(of_device), batch_sentences)
    order = sorted(range(len(lengths)), key=lambda i: (round_up(lengths[i][0]), lengths[i][::-1]))
    first = len(order) % rows or rows
    cuts = [0, *range(first, len(order) + 1, rows)]
    members = [order[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
    needed = [_own_shape(lengths, indices) for indices in members]
    shapes = _shapes(needed, most_sharing) if len(needed) <= FEW else needed
    return [Group(i, rows, shape) for i, shape in zip(members, shapes, strict=True)]


def _own_shape(lengths: Sequence[tuple[int, ...]], indices: Sequence[int]) -> tuple[int, ...]:
    """The lengths that the sequences of a batch need."""
    return tuple(round_up(max(side)) for side in zip(*(lengths[i] for i in indices), strict=True))


def _shapes(own: Sequence[tuple[int, ...]], most_sharing: int) -> list[tuple[int, ...]]:
    """The lengths that batches get, of those that they need; the longest is last."""
    runs: list[list[tuple[int, ...]]] = []  # what batches need that share a shape
    for needed in reversed(own):
        run = [*runs[-1], needed] if runs else [needed]
        is_close = all(max(side) <= MOST_PADDING * min(side) for side in zip(*run, strict=True))
        if runs and is_close and len(run) <= most_sharing:
            runs[-1] = run
        else:
            runs.append([needed])
    shapes = [tuple(max(side) for side in zip(*run, strict=True)) for run in runs for _ in run]
    return shapes[::-1]


def _rows_for(num_sequences: int) -> int:
    """The next power of four: few shapes, and never more than three filler rows to a real one."""
    rows = 1
    while rows < num_sequences:
        rows *= 4
    return rows


def pad(
    sequences: Sequence[np.ndarray], rows: int, length: int, filler: Sequence[int], pad_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Stacks sequences into one array.

    Args:
      sequences: at most `rows` of them, none longer than `length`.
      rows, length: of the result.
      filler: what the rows without a sequence hold.
      pad_id: what follows the end of a row.
    Returns:
      ids (rows, length) int32 and mask (rows, length), True on what is no padding.
    """
    ids = np.full((rows, length), pad_id, np.int32)
    mask = np.zeros((rows, length), bool)
    for row in range(rows):
        sequence = sequences[row] if row < len(sequences) else filler
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = True
    return ids, mask
