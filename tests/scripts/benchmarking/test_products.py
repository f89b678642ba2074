import itertools

import numpy as np
import pytest
from benchmarking import products


def test_the_median_of_each_size_counts_and_of_these_the_best(monkeypatch):
    """By a clock that knows how long each timing takes: three rounds of two sizes."""
    monkeypatch.setattr(products, "SIZES", (16, 32))
    compiling, finding_out = [7, 7], [1, 1]  # a second is long enough for a single call
    rounds = [4, 9, 1, 8, 2, 30]  # of size 16 in the even places
    taken = [compiling[0], finding_out[0], compiling[1], finding_out[1], *rounds]
    readings = np.cumsum(list(itertools.chain(*([0, seconds] for seconds in taken)))).tolist()
    clock = iter(readings)
    measured = products.SquareProducts("bfloat16", lambda: next(clock))
    measured.time_all()
    for _ in range(4):
        measured.time_next()
    assert next(clock, None) is None
    assert measured.times == {16: [4, 1, 2], 32: [9, 8, 30]}
    assert measured.gflops_by_size() == {16: 2 * 16**3 / 2 / 1e9, 32: 2 * 32**3 / 9 / 1e9}
    assert measured.gflops() == 2 * 32**3 / 9 / 1e9


def test_short_products_are_timed_several_at_a_time(monkeypatch):
    """Each takes a thousandth of a second: eight are the first to be no shorter than wanted."""
    monkeypatch.setattr(products, "SIZES", (16,))
    monkeypatch.setattr(products, "LONG_ENOUGH", 0.0075)
    now, asked = [0.0], []

    class Timed(products.SquareProducts):
        def _seconds(self, size, calls):
            asked.append(calls)
            now[0] += 0.001 * calls
            return 0.001 * calls

    measured = Timed("float32", lambda: now[0])
    measured.time_next()
    assert asked == [1, 1, 2, 4, 8, 8]
    assert measured.times[16] == [pytest.approx(0.001)]
