import numpy as np
import pytest

from nmt.config.schema import VocabularyConfig
from nmt.data import streams
from nmt.data.encoding import (
    EncodedPairs,
    encode_pairs,
    saved_fingerprint,
    within,
    write_encoded,
)
from nmt.data.ragged import Ragged
from nmt.data.splits import Split
from nmt.data.vocabularies import train_vocabularies
from nmt.errors import DataError

SOURCE = [f"the {a} sees {b} {c}" for a in ("cat", "dog") for b in ("a", "the") for c in "xyz"]
TARGET = [f"{c} {b} voit le {a} ici" for a in ("chat", "chien") for b in "un" for c in "xyz"]


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory):
    config = VocabularyConfig(size=40, joint=False)
    return train_vocabularies(SOURCE, TARGET, config, tmp_path_factory.mktemp("vocabulary"))


def write(folder, vocabularies, source=SOURCE, target=TARGET, **options):
    write_encoded(folder, Split("x", source, target), vocabularies, **options)


def test_pairs_are_the_encoded_lines_with_eos(vocabularies):
    source, target = [*SOURCE, ""], [*TARGET, "x"]
    pairs = encode_pairs(source, target, vocabularies)
    assert len(pairs) == len(source)
    assert pairs.source.values.dtype == np.int32 and pairs.source.offsets.dtype == np.int64
    for i in range(len(source)):
        assert pairs.source[i].tolist() == [*vocabularies.source.encode(source[i]), 3]
        assert pairs.target[i].tolist() == [*vocabularies.target.encode(target[i]), 3]
        assert pairs.target.lengths[i] == len(pairs.target[i])
    assert pairs.source[-1].tolist() == [3]  # an empty line


def test_no_pairs(vocabularies, tmp_path):
    pairs = encode_pairs([], [], vocabularies)
    assert len(pairs) == 0 and len(within(pairs, 5)) == 0
    write(tmp_path / "x", vocabularies, [], [])
    assert len(EncodedPairs.load(tmp_path / "x")) == 0


@pytest.mark.parametrize("max_pieces", [None, 1, 2, 3, 9])
def test_within_counts_both_sides_with_eos(max_pieces):
    lengths = [(1, 1), (3, 2), (2, 4), (2, 2), (9, 1)]
    sides = [[np.full(pair[side], 3, np.int32) for pair in lengths] for side in (0, 1)]
    pairs = EncodedPairs(*map(Ragged.from_arrays, sides))
    expected = [i for i, pair in enumerate(lengths) if max(pair) <= (max_pieces or 99)]
    assert within(pairs, max_pieces).tolist() == expected


@pytest.mark.parametrize("part", [1, 5, 100])
def test_what_is_encoded_in_parts_is_what_is_encoded_at_once(
    vocabularies, tmp_path, monkeypatch, part
):
    monkeypatch.setattr(streams, "PART_PAIRS", part)
    source, target = [*SOURCE, ""], [*TARGET, "x"]
    folder = tmp_path / "train"
    assert saved_fingerprint(folder) is None
    write(folder, vocabularies, source, target, fingerprint="of this text")
    assert saved_fingerprint(folder) == "of this text"
    loaded, expected = EncodedPairs.load(folder), encode_pairs(source, target, vocabularies)
    assert isinstance(loaded.source.values, np.memmap)
    for a, b in ((loaded.source, expected.source), (loaded.target, expected.target)):
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.offsets, b.offsets)
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


def test_what_is_broken_off_leaves_what_was_there(vocabularies, tmp_path):
    folder = tmp_path / "train"
    write(folder, vocabularies, fingerprint="first")

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(folder, vocabularies, SOURCE[:2], TARGET[:2], fingerprint="second", check=stop)
    assert saved_fingerprint(folder) == "first" and len(EncodedPairs.load(folder)) == len(SOURCE)
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


def test_sides_of_different_lengths(vocabularies, tmp_path):
    folder = tmp_path / "x"
    write(folder, vocabularies)
    np.save(folder / "target_values.npy", np.zeros(2, np.int32))
    np.save(folder / "target_offsets.npy", np.array([0, 2], np.int64))
    with pytest.raises(DataError, match=f"as many sentences; got {len(SOURCE)} and 1"):
        EncodedPairs.load(folder)
