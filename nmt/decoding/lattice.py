"""Batches for decoding: sequences of like length together, in few shapes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Group(NamedTuple):
    """Sequences that are decoded together.

    Attributes:
      indices: of the sequences, in the order of the batch's rows.
      rows: rows of the batch; those after the indices are filler.
    """

    indices: list[int]
    rows: int


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
    lengths: Sequence[tuple[int, ...]], batch_sentences: int, num_devices: int
) -> list[Group]:
    """Cuts the sequences, sorted by length, into batches of equally many rows.

    A small input gets fewer rows, so that one sentence is fast; of a large one the batch of the
    shortest sequences has the filler, where it costs least.

    Args:
      lengths: for each sequence its lengths (of source, or of source and target).
      batch_sentences: rows of a batch at most, on each device.
      num_devices: that a batch is dealt out over; each gets equally many rows.
    """
    of_device = -(-len(lengths) // num_devices)
    rows = num_devices * min(_rows_for(of_device), batch_sentences)
    order = sorted(range(len(lengths)), key=lambda i: (round_up(lengths[i][0]), lengths[i][::-1]))
    first = len(order) % rows or rows
    cuts = [0, *range(first, len(order) + 1, rows)]
    return [Group(order[a:b], rows) for a, b in zip(cuts, cuts[1:], strict=False)]


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
