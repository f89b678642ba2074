import random

import numpy as np
import pytest

from nmt.data import kept_text
from nmt.data.kept_text import SplitWriter, load_kept
from nmt.data.splits import Split
from nmt.errors import DataError


def make_split(count, *, links, seed=0):
    rng = random.Random(seed)

    def side():
        return "".join(rng.choices("ab é日\n\r\x00\u2028\u200b😀", k=rng.randrange(12)))

    links = [[(i, j) for j in range(rng.randrange(3))] for i in range(count)] if links else None
    return Split("x", [side() for _ in range(count)], [side() for _ in range(count)], links)


def part_of(split, start, end):
    links = split.links and split.links[start:end]
    return Split(split.name, split.source[start:end], split.target[start:end], links)


@pytest.mark.parametrize("links", [False, True])
@pytest.mark.parametrize("part", [1, 9, 100])
def test_any_text_comes_back(tmp_path, monkeypatch, links, part):
    monkeypatch.setattr(kept_text, "_BLOCK", 7)
    split = make_split(100, links=links)
    with SplitWriter(tmp_path) as writer:
        for start in range(0, 100, part):
            writer.append(part_of(split, start, start + part))
    kept = load_kept(tmp_path, "x")
    for side in ("source", "target"):
        texts, expected = getattr(kept, side), getattr(split, side)
        assert list(texts) == [texts[i] for i in range(100)] == expected
        assert texts[-1] == expected[-1] and texts[np.int32(3)] == expected[3]
        assert texts[5:30:3] == expected[5:30:3] and texts[95:200] == expected[95:]
        with pytest.raises(IndexError):
            texts[100]
    if links:
        assert list(kept.links) == split.links and kept.links[2:9] == split.links[2:9]
    else:
        assert kept.links is None
    assert kept.fingerprint == split.fingerprint


def test_links_are_flat_on_disk(tmp_path):
    links = [[], [(0, 1), (2, 3)], [(70_000, 4)], []]
    with SplitWriter(tmp_path) as writer:
        writer.append(Split("x", [""] * 4, [""] * 4, links))
        writer.append(Split("x", [""], [""], [[]]))
    flat = load_kept(tmp_path, "x").links.flat
    assert [flat[i].tolist() for i in range(5)] == [[], [0, 1, 2, 3], [70_000, 4], [], []]
    assert flat.values.dtype == np.int32


@pytest.mark.parametrize("name", ["links_values.npy", "links_offsets.npy"])
def test_links_of_which_a_half_is_gone(tmp_path, name):
    with SplitWriter(tmp_path) as writer:
        writer.append(make_split(10, links=True))
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=name):
        load_kept(tmp_path, "x")


def test_text_that_is_damaged_or_not_there(tmp_path):
    with pytest.raises(DataError):
        load_kept(tmp_path, "x")
    with SplitWriter(tmp_path) as writer:
        writer.append(make_split(10, links=False))
    path = tmp_path / "target_values.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="target_values.npy"):
        load_kept(tmp_path, "x")


@pytest.mark.parametrize("read", [list, lambda texts: texts[1], lambda texts: texts[:2]])
def test_text_that_is_no_utf_8_any_more_is_one_line(tmp_path, read):
    with SplitWriter(tmp_path) as writer:
        writer.append(Split("x", ["a", "é", "b"], ["c", "d", "e"]))
    path = tmp_path / "source_values.npy"
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    kept = load_kept(tmp_path, "x")
    assert kept.source[0] == "a" and list(kept.target) == ["c", "d", "e"]
    with pytest.raises(DataError) as caught:
        read(kept.source)
    assert str(caught.value) == (
        f"the kept text {tmp_path} is not UTF-8: it is damaged; "
        "remove the folder, and it is made again"
    )
