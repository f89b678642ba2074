"""Rules that make one alignment of two, against matrices that are filled cell by cell."""

import numpy as np
import pytest

from nmt.analysis.symmetrize import RULES, symmetrize
from nmt.errors import NmtError

GROWING = {  # how many of a link's two words must be free: while growing, and in the end
    "grow-diag": (1, None),
    "grow-diag-final": (1, 1),
    "grow-diag-final-and": (1, 2),
    "grow-diagonal-strict": (2, None),
    "grow-diagonal-final-strict": (2, 2),
}
STEPS = [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]  # rows, columns
SIZES = [(1, 1), (1, 5), (4, 3), (6, 6), (9, 12)]


def in_matrix(links, num_source, num_target):
    """(T, S) of 0 and 1, the cells as Koehn et al. (2005) draw them."""
    matrix = np.zeros((num_target, num_source), int)
    for source, target in links:
        matrix[target, source] = 1
    return matrix


def free(matrix, row, column):
    """How many of the two words of a cell have no link."""
    return int(not matrix[row].any()) + int(not matrix[:, column].any())


def grown_in_matrix(forward, reverse, growing, final):
    """The slow reference: every row and column is looked at again for every cell."""
    both, either = forward & reverse, forward | reverse
    before = None
    while before is None or (both != before).any():
        before = both.copy()
        for row, column in np.ndindex(both.shape):
            if not both[row, column]:
                continue
            for down, right in STEPS:
                cell = row + down, column + right
                if min(cell) < 0 or cell[0] >= both.shape[0] or cell[1] >= both.shape[1]:
                    continue
                if either[cell] and free(both, *cell) >= growing:
                    both[cell] = 1
    for direction in (forward, reverse) if final else ():
        for cell in np.argwhere(direction):
            if free(both, *cell) >= final:
                both[tuple(cell)] = 1
    return {(int(column), int(row)) for row, column in np.argwhere(both)}


def random_links(rng, num_source, num_target):
    """Two directions that often agree, each with a link for most words of its own target."""
    forward = {(int(rng.integers(num_source)), t) for t in range(num_target) if rng.random() < 0.9}
    reverse = {(s, int(rng.integers(num_target))) for s in range(num_source) if rng.random() < 0.9}
    shared = {link for link in forward | reverse if rng.random() < 0.5}
    return forward | shared, reverse | shared


@pytest.mark.parametrize("rule", GROWING)
@pytest.mark.parametrize("size", SIZES)
def test_koehns_rules_match_a_slow_reference(rule, size):
    rng = np.random.default_rng(sum(size))
    for _ in range(400):
        forward, reverse = random_links(rng, *size)
        got = symmetrize(forward, reverse, rule)
        matrices = in_matrix(forward, *size), in_matrix(reverse, *size)
        assert set(got) == grown_in_matrix(*matrices, *GROWING[rule])
        assert got == sorted(got)


@pytest.mark.parametrize("size", SIZES)
def test_every_rule_lies_between_intersection_and_union(size):
    rng = np.random.default_rng(sum(size))
    for _ in range(20):
        forward, reverse = random_links(rng, *size)
        found = {rule: set(symmetrize(forward, reverse, rule)) for rule in RULES}
        assert found["intersection"] == forward & reverse
        assert found["union"] == forward | reverse
        for links in found.values():
            assert found["intersection"] <= links <= found["union"]
        for rule in ("grow-diag", "grow-diagonal"):
            less = found.get(rule, found.get(f"{rule}-strict"))
            for more in (r for r in found if r.startswith(f"{rule}-final")):
                assert less <= found[more]


@pytest.mark.parametrize("size", SIZES)
def test_what_the_final_step_leaves_uncovered(size):
    """After it, no link is left whose one word (both words, with -and) could still get a first."""
    rng = np.random.default_rng(sum(size))
    for _ in range(20):
        forward, reverse = random_links(rng, *size)
        for rule, (_, final) in GROWING.items():
            links = symmetrize(forward, reverse, rule)
            left = in_matrix(links, *size)
            for source, target in forward | reverse:
                assert final is None or free(left, target, source) < final


@pytest.mark.parametrize("rule", [*RULES])
def test_counterparts(rule):
    """Equal directions stay as they are; only the final step knows which direction is which."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        forward, reverse = random_links(rng, 7, 5)
        assert symmetrize(forward, forward, rule) == sorted(forward)
        if "final" not in rule:
            assert symmetrize(forward, reverse, rule) == symmetrize(reverse, forward, rule)
        if not rule.startswith("grow"):
            turned = [[link[::-1] for link in links] for links in (forward, reverse)]
            other = [link[::-1] for link in symmetrize(*turned, rule)]
            assert sorted(other) == symmetrize(forward, reverse, rule)


def test_strict_links_share_a_word_only_within_the_intersection():
    rng = np.random.default_rng(1)
    for _ in range(20):
        forward, reverse = random_links(rng, 8, 8)
        for rule in ("grow-diagonal-strict", "grow-diagonal-final-strict"):
            links = symmetrize(forward, reverse, rule)
            added = set(links) - (forward & reverse)
            for source, target in added:
                assert [link for link in links if link[0] == source or link[1] == target] == [
                    (source, target)
                ]


def test_a_neighbour_needs_one_free_word_or_two():
    forward, reverse = {(0, 0), (1, 0), (2, 1)}, {(0, 0)}
    assert symmetrize(forward, reverse, "grow-diag") == [(0, 0), (1, 0), (2, 1)]
    assert symmetrize(forward, reverse, "grow-diagonal-strict") == [(0, 0)]
    assert symmetrize(forward, reverse, "grow-diagonal-final-strict") == [(0, 0), (2, 1)]
    assert symmetrize([], [], "grow-diag-final-and") == []


def test_sides_come_before_corners():
    """Two neighbours of link 0-0 of which the first to be added keeps the other out.

            source 0  1  2  3
    target 0    both  F  .  .       F, R: a link of one direction only
    target 1       .  R  .  both

    Target words 0 and 1 have a link each, so both 1-0, at a side of 0-0, and 1-1, at its corner,
    count on source word 1 being free. Sides come first: 1-0 takes it, and no word of 1-1 is free.
    """
    forward, reverse = {(0, 0), (3, 1), (1, 0)}, {(0, 0), (3, 1), (1, 1)}
    for directions in ((forward, reverse), (reverse, forward)):
        assert symmetrize(*directions, "grow-diag") == [(0, 0), (1, 0), (3, 1)]


def test_the_corner_before_comes_before_the_corner_after():
    """Two corners of link 1-1 of which the first to be added keeps the other out.

            source 0     1     2     3
    target 0       R     .     F     .       F, R: a link of one direction only
    target 1       .     both  both  both
    target 2       .     both  .     .

    Target word 0 and source word 0 have no link yet. 0-0 comes first, as symal looks at the source
    words of a target word in order, and takes both; then neither word of 2-0 is free. Had 2-0 come
    first, source word 0 would still be free, and 0-0 would be added too.
    """
    both = {(1, 1), (2, 1), (3, 1), (1, 2)}
    for directions in ((both | {(2, 0)}, both | {(0, 0)}), (both | {(0, 0)}, both | {(2, 0)})):
        assert symmetrize(*directions, "grow-diag") == sorted(both | {(0, 0)})


def test_an_unknown_rule_names_the_nearest():
    with pytest.raises(NmtError, match='"grow-diag-final-and"'):
        symmetrize([], [], "grow-diag-final-adn")
