import random

import pytest

from nmt.data import streams
from nmt.data.splits import fingerprint_of
from nmt.data.streams import SplitStream, in_parts, joined


def make_pairs(count, seed=0):
    rng = random.Random(seed)
    return [tuple("é" * rng.randrange(9) for _ in range(2)) for _ in range(count)]


def pairs_of(split):
    return list(zip(split.source, split.target, strict=True))


@pytest.mark.parametrize("most_pairs", [1, 7, 100])
@pytest.mark.parametrize("most_characters", [1, 20, 10_000])
def test_parts_hold_all_pairs_in_order_and_are_bounded(monkeypatch, most_pairs, most_characters):
    monkeypatch.setattr(streams, "PART_PAIRS", most_pairs)
    monkeypatch.setattr(streams, "PART_CHARACTERS", most_characters)
    pairs = make_pairs(50)
    parts = list(in_parts("x", iter(pairs)))
    assert [pair for part in parts for pair in pairs_of(part)] == pairs
    for part in parts:
        assert part.name == "x" and 1 <= len(part) <= most_pairs
        without_last = "".join((*part.source[:-1], *part.target[:-1]))
        assert len(without_last) < most_characters
    assert pairs_of(joined("x", parts)) == pairs
    assert fingerprint_of(parts) == joined("x", parts).fingerprint


@pytest.mark.parametrize("most_characters", [1, 20, 10_000])
def test_links_keep_step_and_count(monkeypatch, most_characters):
    monkeypatch.setattr(streams, "PART_PAIRS", 7)
    monkeypatch.setattr(streams, "PART_CHARACTERS", most_characters)
    links = [[(i, j) for j in range(i % 9)] for i in range(50)]
    rows = [(*pair, linked) for pair, linked in zip(make_pairs(50), links, strict=True)]
    parts = list(in_parts("x", iter(rows)))
    whole = joined("x", parts)
    assert list(zip(whole.source, whole.target, whole.links, strict=True)) == rows
    assert fingerprint_of(parts) == whole.fingerprint
    for part in parts:
        without_last = (*part.source[:-1], *part.target[:-1], *part.links[:-1])
        assert len(part) <= 7 and sum(map(len, without_last)) < most_characters


def test_no_pairs():
    assert list(in_parts("x", [])) == []
    empty = joined("x", [])
    assert len(empty) == 0 and fingerprint_of([]) == empty.fingerprint


def test_a_stream_begins_again_each_time():
    pairs = make_pairs(5)
    stream = SplitStream("x", lambda: in_parts("x", iter(pairs)))
    assert pairs_of(stream.read()) == pairs_of(stream.read()) == pairs
