import random

import pytest

from nmt.data import streams
from nmt.data.splits import Split, fingerprint_of
from nmt.data.streams import SplitStream, in_parts, joined, limited


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


def test_no_pairs():
    assert list(in_parts("x", [])) == []
    empty = joined("x", [])
    assert len(empty) == 0 and fingerprint_of([]) == empty.fingerprint


@pytest.mark.parametrize("links", [None, [[(0, i)] for i in range(10)]])
@pytest.mark.parametrize("limit", [None, 0, 1, 3, 4, 9, 10, 11])
def test_a_limit_is_the_beginning_and_nothing_is_read_behind_it(links, limit):
    pairs = make_pairs(10)
    read = []

    def parts():
        for start in range(0, 10, 3):
            read.append(start)
            source, target = (list(side) for side in zip(*pairs[start : start + 3], strict=True))
            yield Split("x", source, target, links and links[start : start + 3])

    split = joined("x", limited(parts(), limit))
    assert pairs_of(split) == pairs[:limit]
    assert split.links == (links[:limit] if links and len(split) else None)
    assert read == [start for start in (0, 3, 6, 9) if limit is None or start < max(limit, 1)]


def test_a_stream_begins_again_each_time():
    pairs = make_pairs(5)
    stream = SplitStream("x", lambda: in_parts("x", iter(pairs)))
    assert pairs_of(stream.read()) == pairs_of(stream.read()) == pairs
