import numpy as np
import pytest

from nmt.config.schema import VocabularyConfig
from nmt.data import encoding
from nmt.data.encoding import EncodedPairs, Ragged, encode_pairs, saved_fingerprint, within
from nmt.data.vocabulary import train_vocabularies
from nmt.errors import DataError

SOURCE = [f"the {a} sees {b} {c}" for a in ("cat", "dog") for b in ("a", "the") for c in "xyz"]
TARGET = [f"{c} {b} voit le {a} ici" for a in ("chat", "chien") for b in "un" for c in "xyz"]


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory):
    config = VocabularyConfig(size=40, joint=False)
    return train_vocabularies(SOURCE, TARGET, config, tmp_path_factory.mktemp("vocabulary"))


@pytest.mark.parametrize("chunk", [1, 5, 100])
def test_pairs_are_the_encoded_lines_with_eos(vocabularies, chunk, monkeypatch):
    monkeypatch.setattr(encoding, "CHUNK", chunk)
    source, target = [*SOURCE, ""], [*TARGET, "x"]
    pairs = encode_pairs(source, target, vocabularies)
    assert len(pairs) == len(source)
    assert pairs.source.values.dtype == np.int32 and pairs.source.offsets.dtype == np.int64
    for i in range(len(source)):
        assert pairs.source[i].tolist() == [*vocabularies.source.encode(source[i]), 3]
        assert pairs.target[i].tolist() == [*vocabularies.target.encode(target[i]), 3]
        assert pairs.target.lengths[i] == len(pairs.target[i])
    assert pairs.source[-1].tolist() == [3]  # an empty line
    with pytest.raises(IndexError):
        pairs.source[len(source)]


def test_no_pairs(vocabularies, tmp_path):
    pairs = encode_pairs([], [], vocabularies)
    assert len(pairs) == 0 and len(within(pairs, 5)) == 0
    pairs.save(tmp_path)
    assert len(EncodedPairs.load(tmp_path)) == 0


def test_ragged_from_arrays():
    sequences = [np.array(s, np.int32) for s in ([4, 5, 3], [3], [6, 3])]
    ragged = Ragged.from_arrays(sequences)
    assert [ragged[i].tolist() for i in range(3)] == [s.tolist() for s in sequences]
    assert ragged.lengths.tolist() == [3, 1, 2]
    assert len(Ragged.from_arrays([])) == 0


@pytest.mark.parametrize("max_pieces", [None, 1, 2, 3, 9])
def test_within_counts_both_sides_with_eos(max_pieces):
    lengths = [(1, 1), (3, 2), (2, 4), (2, 2), (9, 1)]
    sides = [[np.full(pair[side], 3, np.int32) for pair in lengths] for side in (0, 1)]
    pairs = EncodedPairs(*map(Ragged.from_arrays, sides))
    expected = [i for i, pair in enumerate(lengths) if max(pair) <= (max_pieces or 99)]
    assert within(pairs, max_pieces).tolist() == expected


def test_saved_pairs_are_mapped_back(vocabularies, tmp_path):
    pairs = encode_pairs(SOURCE, TARGET, vocabularies)
    assert saved_fingerprint(tmp_path / "train") is None
    pairs.save(tmp_path / "train", "of this text")
    loaded = EncodedPairs.load(tmp_path / "train")
    assert saved_fingerprint(tmp_path / "train") == "of this text"
    assert isinstance(loaded.source.values, np.memmap)
    for a, b in ((pairs.source, loaded.source), (pairs.target, loaded.target)):
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.offsets, b.offsets)
    assert not list(tmp_path.rglob("*.partial"))


def test_an_interrupted_save_is_not_whole(vocabularies, tmp_path, monkeypatch):
    pairs = encode_pairs(SOURCE, TARGET, vocabularies)
    pairs.save(tmp_path, "first")

    def full_disk(file, array, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(OSError):
        pairs.save(tmp_path, "second")
    assert saved_fingerprint(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("source_values.npy", np.zeros(5, np.int64), "must hold one row of int32"),
        ("source_values.npy", np.zeros((5, 2), np.int32), r"shape \(5, 2\)"),
        ("target_offsets.npy", np.array([0, 1], np.int64), "do not belong together"),
        ("target_values.npy", np.array(["a", None], object), "cannot be read as an array"),
    ],
)
def test_damaged_arrays(vocabularies, tmp_path, name, array, message):
    encode_pairs(SOURCE, TARGET, vocabularies).save(tmp_path)
    np.save(tmp_path / name, array, allow_pickle=array.dtype == object)
    with pytest.raises(DataError, match=message):
        EncodedPairs.load(tmp_path)


def test_truncated_and_missing_arrays(vocabularies, tmp_path):
    encode_pairs(SOURCE, TARGET, vocabularies).save(tmp_path)
    path = tmp_path / "source_offsets.npy"
    for content in (path.read_bytes()[:-3], path.read_bytes()[:20], b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match="source_offsets.npy cannot be read"):
            EncodedPairs.load(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="source_offsets.npy"):
        EncodedPairs.load(tmp_path)


def test_sides_of_different_lengths(vocabularies, tmp_path):
    encode_pairs(SOURCE, TARGET, vocabularies).save(tmp_path)
    np.save(tmp_path / "target_values.npy", np.zeros(2, np.int32))
    np.save(tmp_path / "target_offsets.npy", np.array([0, 2], np.int64))
    with pytest.raises(DataError, match=f"as many sentences; got {len(SOURCE)} and 1"):
        EncodedPairs.load(tmp_path)
