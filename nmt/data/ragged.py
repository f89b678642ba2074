"""Sequences of different lengths in two flat arrays, in memory or mapped from files.

The sequences [5, 6, 3], [7, 3] are kept as

    values   5 6 3 7 3
    offsets  0     3   5      int64, one more than there are sequences

so a corpus of any size is two arrays a side, and a batch is one gather from each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmt.errors import DataError


@dataclass(frozen=True)
class Ragged:
    """Sequences of different lengths.

    Attributes:
      values: (total length,), one sequence after the other: int32 ids, uint8 bytes of text.
      offsets: (N + 1,) int64; sequence i is values[offsets[i] : offsets[i + 1]].
    """

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sequence {index} of {len(self)}")
        index %= len(self)
        return np.asarray(self.values[self.offsets[index] : self.offsets[index + 1]])

    @property
    def lengths(self) -> np.ndarray:
        """The length of each sequence, (N,) int32."""
        lengths = np.empty(len(self), np.int32)
        return np.subtract(self.offsets[1:], self.offsets[:-1], out=lengths, casting="unsafe")

    @classmethod
    def from_arrays(cls, sequences: Sequence[np.ndarray], dtype: type = np.int32) -> "Ragged":
        """Joins sequences, each (length,)."""
        lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
        values = np.concatenate([np.empty(0, dtype), *sequences]).astype(dtype, copy=False)
        return cls(values, np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]))

    @classmethod
    def load(cls, folder: Path, name: str, dtype: type) -> "Ragged":
        """Maps what a `RaggedWriter` wrote; DataError where it is missing or damaged."""
        values = _load_array(Path(folder) / f"{name}_values.npy", dtype)
        offsets = _load_array(Path(folder) / f"{name}_offsets.npy", np.int64)
        if len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != len(values):
            raise DataError(f"the {name} arrays in {folder} do not belong together")
        return cls(values, offsets)


class RaggedWriter:
    """Writes sequences to a folder, some at a time, as NAME_values.npy and NAME_offsets.npy."""

    def __init__(self, folder: Path, name: str, dtype: type):
        self._values = _ArrayWriter(Path(folder) / f"{name}_values.npy", dtype)
        self._offsets = _ArrayWriter(Path(folder) / f"{name}_offsets.npy", np.int64)
        self._offsets.append(np.zeros(1, np.int64))

    def __enter__(self) -> "RaggedWriter":
        return self

    def __exit__(self, error_type, *error) -> None:
        with self._values.file, self._offsets.file:
            if error_type is None:
                self._values.finish()
                self._offsets.finish()

    def append(self, sequences: Ragged) -> None:
        """Writes the next sequences."""
        self._offsets.append(sequences.offsets[1:] + self._values.length)
        self._values.append(sequences.values)


class _ArrayWriter:
    """Appends to a .npy file of one row.

    Its header says how long the row is, and so is written at the beginning and again at the end;
    numpy leaves room in it for this.
    """

    def __init__(self, path: Path, dtype: type):
        self.length, self._dtype = 0, np.dtype(dtype)
        self.file = path.open("wb")
        self._write_header()
        self._start = self.file.tell()

    def append(self, array: np.ndarray) -> None:
        assert array.dtype == self._dtype
        self.file.write(np.ascontiguousarray(array).data)
        self.length += len(array)

    def finish(self) -> None:
        self.file.seek(0)
        self._write_header()
        assert self.file.tell() == self._start

    def _write_header(self) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self.length,),
        }
        np.lib.format.write_array_header_1_0(self.file, header)


def _load_array(path: Path, dtype: type) -> np.ndarray:
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header raises errors of many kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} cannot be read as an array: {reason}") from error
    if array.dtype != dtype or array.ndim != 1:
        raise DataError(
            f"{path} must hold one row of {np.dtype(dtype)}; "
            f"got shape {array.shape} of {array.dtype}"
        )
    return array
