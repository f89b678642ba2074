import hashlib
import itertools

import pytest

from nmt.data.splits import Split, framed, sample


def test_fingerprint_is_sha256_of_length_prefixed_texts():
    expected = b"pairs"
    for pair in (("a", "é"), ("", "bc")):
        expected += (2).to_bytes(8, "little")
        for text in pair:
            expected += len(text.encode()).to_bytes(8, "little") + text.encode()
    split = Split("train", ["a", ""], ["é", "bc"])
    assert split.fingerprint == hashlib.sha256(expected).hexdigest()


def test_fingerprint_of_links_is_that_of_their_numbers_as_texts():
    expected = b"pairs with links"
    for texts in (("a b", "c"), ("0", "0", "1", "0"), ("", "d"), (), ("e", "f"), ("12", "345")):
        expected += len(texts).to_bytes(8, "little")
        for text in texts:
            expected += len(text.encode()).to_bytes(8, "little") + text.encode()
    links = [[(0, 0), (1, 0)], [], [(12, 345)]]
    split = Split("train", ["a b", "", "e"], ["c", "d", "f"], links)
    assert split.fingerprint == hashlib.sha256(expected).hexdigest()


def test_name_is_no_part_of_the_fingerprint():
    assert Split("a", ["x"], ["y"]).fingerprint == Split("b", ["x"], ["y"]).fingerprint


def test_all_short_corpora_have_distinct_fingerprints():
    texts = ["", "a", "b", "ab", "a\n", "\na"]
    pairs = list(itertools.product(texts, repeat=2))
    corpora = [[], *([pair] for pair in pairs), *itertools.product(pairs, repeat=2)]
    seen = {
        Split("x", [s for s, _ in corpus], [t for _, t in corpus]).fingerprint for corpus in corpora
    }
    assert len(seen) == len(corpora)


def test_links_are_part_of_the_fingerprint():
    choices = [
        None,
        [[], []],
        [[(0, 0)], []],
        [[], [(0, 0)]],
        [[(0, 1)], []],
        [[(0, 0), (1, 1)], []],
    ]
    splits = [Split("x", ["a b", "c"], ["d e", "f"], links) for links in choices]
    assert len({split.fingerprint for split in splits}) == len(choices)


def test_framed_tells_apart_what_joining_would_not():
    assert framed("a", "b") != framed("ab") != framed("ab", "")
    assert framed("a", "") != framed("", "a")


def test_sides_of_different_length_are_our_own_mistake():
    with pytest.raises(AssertionError):
        Split("x", ["a"], [])


@pytest.mark.parametrize("size", [1, 2, 7, 99, 100, 1000])
def test_sample_is_evenly_spaced(size):
    lines = [str(i) for i in range(100)]
    chosen = [int(line) for line in sample(lines, size)]
    assert len(chosen) == min(size, 100) and chosen[0] == 0
    steps = [b - a for a, b in zip(chosen, [*chosen[1:], 100], strict=True)]
    assert max(steps) - min(steps) <= 1 and min(steps) >= 1
