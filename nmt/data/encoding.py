"""Encoded corpora: ids in flat arrays with offsets, memory-mapped from files where there are any.

The sentences [5, 6, EOS], [7, EOS] are kept as

    values   5 6 EOS 7 EOS        int32
    offsets  0       3     5      int64, one more than there are sentences

so a corpus of any size is two arrays a side, and a batch is one gather from each.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmt.data.vocabulary import Vocabularies, Vocabulary
from nmt.errors import DataError

CHUNK = 10_000  # sentences encoded at a time: bounds what is held as many small arrays
FINGERPRINT_FILE = "fingerprint.txt"


@dataclass(frozen=True)
class Ragged:
    """Sequences of different lengths.

    Attributes:
      values: (total length,) int32, one sequence after the other.
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
        """The length of each sequence, (N,) int64."""
        return np.diff(self.offsets)

    @classmethod
    def from_arrays(cls, sequences: Sequence[np.ndarray]) -> "Ragged":
        """Joins sequences, each (length,)."""
        lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
        values = np.concatenate([np.empty(0, np.int32), *sequences]).astype(np.int32, copy=False)
        return cls(values, np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]))


@dataclass(frozen=True)
class EncodedPairs:
    """A split as ids: every sequence of both sides ends with EOS and has no BOS.

    What belongs to a pair is a `Ragged` of the same length, so a third column (word links) would
    be one more.
    """

    source: Ragged
    target: Ragged

    def __post_init__(self):
        assert len(self.source) == len(self.target)

    def __len__(self) -> int:
        return len(self.source)

    def save(self, folder: Path, fingerprint: str = "") -> None:
        """Writes the arrays to a folder.

        Args:
          folder: gets the four arrays, each whole or not at all, and last the fingerprint.
          fingerprint: of the text and the vocabularies; `saved_fingerprint` gives it back.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FINGERPRINT_FILE).unlink(missing_ok=True)  # from here on the folder is not whole
        for name, array in self._arrays().items():
            _save_array(folder / f"{name}.npy", array)
        partial = folder / f"{FINGERPRINT_FILE}.partial"
        partial.write_text(fingerprint, encoding="utf-8")
        os.replace(partial, folder / FINGERPRINT_FILE)

    @classmethod
    def load(cls, folder: Path) -> "EncodedPairs":
        """Maps the arrays of a folder into memory; DataError where they are missing or damaged."""
        sides = []
        for side in ("source", "target"):
            values = _load_array(Path(folder) / f"{side}_values.npy", np.int32)
            offsets = _load_array(Path(folder) / f"{side}_offsets.npy", np.int64)
            if len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != len(values):
                raise DataError(f"the {side} arrays in {folder} do not belong together")
            sides.append(Ragged(values, offsets))
        if len(sides[0]) != len(sides[1]):
            raise DataError(
                f"the two sides in {folder} must have as many sentences; "
                f"got {len(sides[0])} and {len(sides[1])}"
            )
        return cls(*sides)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            "source_values": self.source.values,
            "source_offsets": self.source.offsets,
            "target_values": self.target.values,
            "target_offsets": self.target.offsets,
        }


def encode_pairs(
    source_texts: Sequence[str], target_texts: Sequence[str], vocabularies: Vocabularies
) -> EncodedPairs:
    """Encodes a split; both sides get EOS at the end of every sentence.

    Args:
      source_texts, target_texts: as many lines on both sides.
      vocabularies: of the two sides.
    Returns:
      the pairs, in order; an empty line is EOS alone.
    """
    return EncodedPairs(
        encode_lines(source_texts, vocabularies.source),
        encode_lines(target_texts, vocabularies.target),
    )


def encode_lines(texts: Sequence[str], vocabulary: Vocabulary) -> Ragged:
    """Encodes one side of a split, with EOS at the end of every sentence."""
    chunks = []
    end = np.array([vocabulary.eos_id], np.int32)
    for start in range(0, len(texts), CHUNK):
        encoded = vocabulary.encode_batch(texts[start : start + CHUNK])
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded)) + 1
        values = np.concatenate([part for ids in encoded for part in (ids, end)])
        chunks.append((values, lengths))
    values = np.concatenate([np.empty(0, np.int32), *(values for values, _ in chunks)])
    lengths = np.concatenate([np.zeros(1, np.int64), *(lengths for _, lengths in chunks)])
    return Ragged(values, np.cumsum(lengths))


def within(pairs: EncodedPairs, max_pieces: int | None) -> np.ndarray:
    """The pairs to train on: indices of those with at most `max_pieces` on each side, EOS counted.

    Args:
      pairs: N of them.
      max_pieces: None keeps all.
    Returns:
      (kept,) int64, ascending.
    """
    if max_pieces is None:
        return np.arange(len(pairs))
    fits = (pairs.source.lengths <= max_pieces) & (pairs.target.lengths <= max_pieces)
    return np.flatnonzero(fits)


def saved_fingerprint(folder: Path) -> str | None:
    """The fingerprint that a folder's arrays were saved with; None where they are not whole."""
    try:
        return (Path(folder) / FINGERPRINT_FILE).read_text(encoding="utf-8")
    except OSError:
        return None


def _save_array(path: Path, array: np.ndarray) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    os.replace(partial, path)


def _load_array(path: Path, dtype: type) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as an array: {error}") from error
    if array.dtype != dtype or array.ndim != 1:
        raise DataError(
            f"{path} must hold one row of {np.dtype(dtype)}; "
            f"got shape {array.shape} of {array.dtype}"
        )
    return array
