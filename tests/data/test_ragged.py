import numpy as np
import pytest

from nmt.data.ragged import Ragged, RaggedWriter
from nmt.errors import DataError


def random_sequences(count, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 200, size).astype(dtype) for size in rng.integers(0, 9, count)]


def write(folder, parts, dtype=np.int32):
    with RaggedWriter(folder, "x", dtype) as writer:
        for part in parts:
            writer.append(Ragged.from_arrays(part, dtype))


def test_sequences_come_back():
    sequences = [np.array(s, np.int32) for s in ([4, 5, 3], [3], [6, 3], [])]
    ragged = Ragged.from_arrays(sequences)
    assert [ragged[i].tolist() for i in range(4)] == [s.tolist() for s in sequences]
    assert ragged[-3].tolist() == [3]
    assert ragged.lengths.tolist() == [3, 1, 2, 0] and ragged.lengths.dtype == np.int32
    assert len(Ragged.from_arrays([])) == 0
    with pytest.raises(IndexError):
        ragged[4]


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
@pytest.mark.parametrize("part", [1, 7, 1000])
def test_what_is_written_in_parts_is_what_is_joined_at_once(tmp_path, dtype, part):
    sequences = random_sequences(500, dtype)
    write(tmp_path, [sequences[i : i + part] for i in range(0, 500, part)], dtype)
    loaded, expected = Ragged.load(tmp_path, "x", dtype), Ragged.from_arrays(sequences, dtype)
    for name in ("values", "offsets"):
        assert isinstance(getattr(loaded, name), np.memmap)
        np.testing.assert_array_equal(getattr(loaded, name), getattr(expected, name))
        file = tmp_path / f"x_{name}.npy"  # as numpy itself would have written it
        np.save(tmp_path / "other.npy", getattr(expected, name))
        assert file.read_bytes() == (tmp_path / "other.npy").read_bytes()


def test_no_sequences_and_empty_ones(tmp_path):
    write(tmp_path, [])
    assert len(Ragged.load(tmp_path, "x", np.int32)) == 0
    write(tmp_path, [[np.empty(0, np.int32)] * 3])
    assert Ragged.load(tmp_path, "x", np.int32).lengths.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("x_values.npy", np.zeros(5, np.int64), "must hold one row of int32"),
        ("x_values.npy", np.zeros((5, 2), np.int32), r"shape \(5, 2\)"),
        ("x_offsets.npy", np.array([0, 1], np.int64), "do not belong together"),
        ("x_values.npy", np.array(["a", None], object), "cannot be read as an array"),
    ],
)
def test_damaged_arrays(tmp_path, name, array, message):
    write(tmp_path, [random_sequences(10, np.int32)])
    np.save(tmp_path / name, array, allow_pickle=array.dtype == object)
    with pytest.raises(DataError, match=message):
        Ragged.load(tmp_path, "x", np.int32)


def test_truncated_and_missing_arrays(tmp_path):
    write(tmp_path, [random_sequences(10, np.int32)])
    path = tmp_path / "x_offsets.npy"
    for content in (path.read_bytes()[:-3], path.read_bytes()[:20], b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match="x_offsets.npy cannot be read"):
            Ragged.load(tmp_path, "x", np.int32)
    path.unlink()
    with pytest.raises(DataError, match="x_offsets.npy"):
        Ragged.load(tmp_path, "x", np.int32)


HEADERS = [
    b"{'descr': '<i8', 'fortran_order': False, 'shape': (11",  # cut
    b"{'descr': '<i8', 'fortran_order': False, 'shape': (11,), }" + b"(" * 5000,  # nested
    b"[" * 9000,
    b"{'descr': '<i8', 'fortran_order': False, 'shape': (" + b"9" * 30 + b",), }",  # huge
    b"{'descr': '<i8', 'fortran_order': False, 'shape': (-1,), }",
    b"{'descr': ('<i8', 3, 4), 'fortran_order': False, 'shape': (11,), }",
    b"{'descr': '<i8', 'fortran_order': 3, 'shape': 'x'}",
    b"{'descr': {}, 'fortran_order': False, 'shape': (11,)}",
    b"{'descr': '|O', 'fortran_order': False, 'shape': (11,), }",
    b"\xff\x00" * 50,
    b"{" + b" " * 20_000,  # longer than numpy trusts: its message has several lines
]


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_is_damaged_in_any_way_is_one_line(tmp_path, header):
    write(tmp_path, [random_sequences(10, np.int32)])
    path = tmp_path / "x_offsets.npy"
    content = path.read_bytes()
    path.write_bytes(
        content[:6] + b"\x01\x00" + len(header).to_bytes(2, "little") + header + content[-88:]
    )
    with pytest.raises(DataError, match="x_offsets.npy ") as caught:
        Ragged.load(tmp_path, "x", np.int32)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_any_byte_of_a_header_may_be_damaged(tmp_path):
    write(tmp_path, [random_sequences(10, np.int32)])
    path = tmp_path / "x_offsets.npy"
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for place in range(128):
        damaged = bytearray(content)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(damaged))
        try:
            Ragged.load(tmp_path, "x", np.int32)
        except DataError as error:
            assert "\n" not in str(error)
