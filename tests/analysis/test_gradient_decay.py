import numpy as np
import pytest

from nmt.analysis.gradient_decay import (
    decay,
    decoder_distances,
    encoder_distances,
    plot_decay,
)
from nmt.errors import DataError

SOURCE_MASK = np.array([[True, True, True], [True, True, False]])
TARGET_MASK = np.array([[True, True], [True, False]])


def test_distances_count_the_updates_between():
    np.testing.assert_array_equal(
        decoder_distances(TARGET_MASK), [[[1, 0], [2, 1]], [[1, 0], [0, 0]]]
    )
    # h_3 makes s_0, and s_1 predicts the first piece
    np.testing.assert_array_equal(
        encoder_distances(SOURCE_MASK, TARGET_MASK),
        [[[3, 2, 1], [4, 3, 2]], [[2, 1, 0], [0, 0, 0]]],
    )


def test_pairs_are_gathered_by_distance():
    rng = np.random.default_rng(0)
    norms, distances = rng.exponential(size=(3, 4, 5)), rng.integers(0, 4, (3, 4, 5)) * 2
    falls = decay(norms, distances)
    np.testing.assert_array_equal(falls.distances, [2, 4, 6])
    for i, distance in enumerate(falls.distances):
        here = sorted(
            norms[place] for place in np.ndindex(norms.shape) if distances[place] == distance
        )
        assert falls.count[i] == len(here)
        assert falls.median[i] == pytest.approx(np.median(here))
        assert here[0] <= falls.low[i] <= falls.median[i] <= falls.high[i] <= here[-1]
    assert falls.at(2) == 1
    assert falls.at(6) == pytest.approx(falls.median[2] / falls.median[0])
    with pytest.raises(DataError, match="at distance 3"):
        falls.at(3)


def test_a_known_rate_is_a_straight_line():
    distances = decoder_distances(np.ones((2, 6), bool))
    norms = np.array([3.0, 5.0])[:, None, None] * 0.5**distances
    axes = plot_decay({"halves": decay(norms, distances)}, title="t").axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 0.5 ** np.arange(6))
    assert axes.get_yscale() == "log" and len(axes.collections) == 1  # the band


def test_what_has_vanished_has_no_point():
    distances = np.array([[[3, 2, 1]]])
    line = decay(np.array([[[0.0, 1e-30, 1.0]]]), distances).curve("a")
    assert line.x == [1, 2] and line.y == [1, 1e-30]
    assert line.band == ([1, 1e-30], [1, 1e-30])
    nothing = decay(np.zeros((1, 1, 3)), distances)
    assert nothing.curve("b").x == []
    with pytest.raises(DataError, match="no points"):
        plot_decay({"b": nothing})


def test_a_band_lies_between_the_quantiles_and_never_at_zero():
    distances = np.repeat([1, 2, 3], 11).reshape(1, 3, 11)
    norms = np.stack([np.arange(10, 21.0), np.arange(1, 12.0), np.arange(-2, 9).clip(0)])[None]
    line = decay(norms, distances).curve("a")
    np.testing.assert_allclose(line.y, np.array([15, 6, 3]) / 15)
    np.testing.assert_allclose(line.band, np.array([[11, 2, 2], [19, 10, 7]]) / 15)


def test_distances_of_few_pairs_can_be_left_out():
    distances = decoder_distances(np.ones((2, 3), bool))  # 6, 4 and 2 pairs
    falls = decay(np.ones(distances.shape), distances, fewest=4)
    assert list(falls.distances) == [1, 2] and list(falls.count) == [6, 4]


def test_no_pair_at_all_is_refused():
    with pytest.raises(DataError, match="no pair"):
        decay(np.ones((1, 2, 2)), np.zeros((1, 2, 2), int))
