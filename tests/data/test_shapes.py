import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from nmt.data import shapes as shapes_module
from nmt.data.shapes import TARGET_COST, Rows, Shape, assign_shapes, choose_shapes

RULES = [(40, None, 1), (40, None, 4), (1000, None, 8), (40, 3, 8)]


def rows_and_batches(num_pairs, target, batch_pieces, batch_sentences, row_multiple):
    """The rule for rows, one shape at a time and by trying."""
    if batch_sentences:
        return batch_sentences, -(-num_pairs // batch_sentences)
    legal = [r for r in range(row_multiple, 5000, row_multiple) if r * target <= batch_pieces]
    most = max(legal, default=row_multiple)
    batches = -(-num_pairs // most)
    rows = next(r for r in range(row_multiple, 5000, row_multiple) if r * batches >= num_pairs)
    return rows, batches


def cost_of(lengths, bounds, rule):
    """What the batches compute where `bounds` are the (S, T) of the shapes."""
    held = Counter()
    for source, target in lengths:
        held[min((t, s) for s, t in bounds if s >= source and t >= target)] += 1
    cost = 0
    for (target, source), num_pairs in held.items():
        rows, batches = rows_and_batches(num_pairs, target, *rule)
        cost += rows * batches * (source + TARGET_COST * target)
    return cost


def subsets(values):
    """All ways to choose bounds: sets of values that contain the largest."""
    *rest, last = sorted(set(values))
    return [(*s, last) for n in range(len(rest) + 1) for s in itertools.combinations(rest, n)]


def brute_force(lengths, num_shapes, rule):
    """The least cost over all lattices with at most so many shapes, or batches of one shape."""
    _, batches = rows_and_batches(len(lengths), max(t for _, t in lengths), *rule)
    num_shapes = min(num_shapes, batches)
    best = None
    for targets in subsets([t for _, t in lengths]):
        buckets, below = [], 0
        for target in targets:
            sources = [s for s, t in lengths if below < t <= target]
            buckets.append([[(s, target) for s in chosen] for chosen in subsets(sources)])
            below = target
        for choice in itertools.product(*buckets):
            bounds = [bound for bucket in choice for bound in bucket]
            if len(bounds) <= num_shapes:
                cost = cost_of(lengths, bounds, rule)
                best = cost if best is None else min(best, cost)
    return best


def choose(lengths, num_shapes, rule):
    source, target = np.array(lengths).T
    batch_pieces, batch_sentences, row_multiple = rule
    return choose_shapes(
        source,
        target,
        num_shapes=num_shapes,
        batch_pieces=batch_pieces,
        batch_sentences=batch_sentences,
        row_multiple=row_multiple,
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("num_shapes", [1, 2, 3, 5])
def test_the_choice_is_the_best_of_all(rule, num_shapes):
    rng = np.random.default_rng(num_shapes)
    for _ in range(3):
        lengths = list(zip(rng.integers(1, 6, 40), rng.integers(1, 5, 40), strict=True))
        lengths = [(int(s) ** 2, int(t) * 3) for s, t in lengths]
        chosen = choose(lengths, num_shapes, rule)
        assert len(chosen) <= num_shapes
        bounds = [(shape.source, shape.target) for shape in chosen]
        assert cost_of(lengths, bounds, rule) == brute_force(lengths, num_shapes, rule)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("longest", [3, 30, 400])
def test_every_pair_fits_and_rows_follow_the_rule(rule, longest):
    rng = np.random.default_rng(longest)
    source = rng.integers(1, longest + 1, 500)
    target = np.clip(source + rng.integers(-5, 6, 500), 1, None)
    lengths = list(zip(source.tolist(), target.tolist(), strict=True))
    chosen = choose(lengths, 6, rule)
    assert len(chosen) <= 6 and len(set(chosen)) == len(chosen)
    assigned = assign_shapes(source, target, chosen)
    for number, shape in enumerate(chosen):
        members = np.flatnonzero(assigned == number)
        assert (source[members] <= shape.source).all() and (target[members] <= shape.target).all()
        rows, _ = rows_and_batches(len(members), shape.target, *rule)
        assert shape.rows == rows
        assert source[members].max() == shape.source  # no longer than needed
    assert chosen == sorted(chosen, key=lambda shape: (shape.target, shape.source))


def test_one_length_needs_one_shape():
    assert choose([(7, 5)] * 100, 16, (4096, None, 8)) == [Shape(104, 7, 5)]


def test_no_pairs():
    none = np.empty(0, int)
    options = {"num_shapes": 4, "batch_pieces": 10, "batch_sentences": None, "row_multiple": 8}
    assert choose_shapes(none, none, **options) == []


def test_more_shapes_never_cost_more():
    rng = np.random.default_rng(0)
    lengths = list(zip(rng.poisson(15, 2000) + 1, rng.poisson(12, 2000) + 1, strict=True))
    rule = (512, None, 8)
    costs = []
    for num_shapes in (1, 2, 4, 8, 16):
        bounds = [(s.source, s.target) for s in choose(lengths, num_shapes, rule)]
        costs.append(cost_of(lengths, bounds, rule))
    assert costs == sorted(costs, reverse=True) and costs[-1] < costs[0]


def test_thinned_lengths_cost_little_more(monkeypatch):
    rng = np.random.default_rng(0)
    source = rng.gamma(3, 9, 2000).astype(int) + 1
    lengths = list(zip(source, np.clip(source + rng.integers(-9, 9, 2000), 1, None), strict=True))
    rule = (4096, None, 8)
    costs = []
    for most in (1000, shapes_module.MAX_CANDIDATES):
        monkeypatch.setattr(shapes_module, "MAX_CANDIDATES", most)
        bounds = [(s.source, s.target) for s in choose(lengths, 8, rule)]
        costs.append(cost_of(lengths, bounds, rule))
    assert costs[0] <= costs[1] <= 1.02 * costs[0]


def test_rows_are_dealt_out_evenly():
    rows, batches = Rows(4000, None, 8).count(np.array([0, 1, 199, 200, 201, 210]), 20)
    assert rows.tolist() == [8, 8, 200, 200, 104, 112]
    assert batches.tolist() == [0, 1, 1, 1, 2, 2]


def test_assignment_prefers_short_targets_then_short_sources():
    shapes = [Shape(8, 9, 9), Shape(8, 4, 9), Shape(8, 9, 5)]
    assigned = assign_shapes(np.array([3, 4, 5, 9]), np.array([9, 5, 9, 1]), shapes)
    assert assigned.tolist() == [1, 2, 0, 2]


def test_fill_on_a_corpus_of_captions(tmp_path):
    """16 shapes leave little padding on Multi30k: the measure the number was chosen by."""
    import gzip

    from nmt.config.schema import VocabularyConfig
    from nmt.data.batching import Batches
    from nmt.data.encoding import encode_pairs
    from nmt.data.vocabularies import train_vocabularies

    folder = Path(__file__).parents[2].parent / "shared" / "corpora" / "multi30k"
    if not folder.exists():
        pytest.skip("the corpus is not here")
    sides = []
    for language in ("en", "de"):
        with gzip.open(folder / f"train.{language}.gz", "rt", encoding="utf-8") as file:
            sides.append(file.read().splitlines())
    vocabularies = train_vocabularies(*sides, VocabularyConfig(size=8000), tmp_path)
    pairs = encode_pairs(*sides, vocabularies)
    chosen = choose_shapes(
        pairs.source.lengths,
        pairs.target.lengths,
        num_shapes=16,
        batch_pieces=4096,
        batch_sentences=None,
        row_multiple=8,
    )
    special = vocabularies.source.special
    fill = Batches(pairs, chosen, special, data_seed=0, model_seed=0).fill
    assert fill.target > 0.91 and fill.source > 0.79


@pytest.mark.parametrize("batch_pieces", [2048, 4096])
def test_sixteen_shapes_leave_little_padding_on_lengths_like_those_of_captions(batch_pieces):
    """Made up with the mean, the spread and the likeness of both sides of captions in pieces."""
    rng = np.random.default_rng(0)
    common = rng.gamma(9, 1.4, 20_000)
    source, target = (np.rint(common + rng.gamma(3, 1.0, 20_000)).astype(int) for _ in range(2))
    chosen = choose(list(zip(source, target, strict=True)), 16, (batch_pieces, None, 8))
    assert len(chosen) <= 16 and all(shape.rows % 8 == 0 for shape in chosen)
    held = np.bincount(assign_shapes(source, target, chosen))  # no pair is dropped, or it asserts
    batches = [-(-number // shape.rows) for number, shape in zip(held, chosen, strict=True)]
    positions = sum(
        number * shape.rows * shape.target for number, shape in zip(batches, chosen, strict=True)
    )
    assert target.sum() >= 0.9 * positions


def test_what_fits_into_one_batch_has_one_shape():
    lengths = [(2, 3), (9, 4), (5, 11), (20, 18), (1, 1)]
    assert choose(lengths, 16, (4096, None, 8)) == [Shape(8, 20, 18)]
    assert len(choose(lengths, 16, (18 * 2, None, 1))) == 3  # batches of two rows of the longest
