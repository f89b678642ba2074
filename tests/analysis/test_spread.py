"""Means and standard deviations, in numbers and in words."""

import statistics

import pytest

from nmt.analysis.spread import deviation, in_words, mean


def test_mean_and_deviation_of_a_sample():
    values = [1.0, 2.0, 4.5, 4.0]
    assert mean(values) == pytest.approx(statistics.mean(values))
    assert deviation(values) == pytest.approx(statistics.stdev(values))
    assert mean([3.0]) == 3.0 and deviation([3.0]) is None


def test_in_words():
    assert in_words([2.0]) == "2.00"
    assert in_words([1.0, 2.0], ".1f") == "1.5 ± 0.7"
    assert in_words([0.1, 0.1], ".1%") == "10.0% ± 0.0%"
