import numpy as np
import pytest

from nmt.analysis.aer import alignment_scores
from nmt.analysis.alignment import Alignment
from nmt.analysis.matrix_grid import plot_heads
from nmt.analysis.pharaoh import GoldLinks
from nmt.errors import DataError
from tests.analysis.picture_reading import (
    MAGIC,
    alignment_of,
    box,
    check_greys,
    check_marks,
    outside,
    shown,
    with_heads,
)

ALIGNMENT = with_heads(alignment_of(["a", "b", "c"], ["x", "y"]), 2, 3)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_writes_each_format(tmp_path, suffix):
    plot_heads(ALIGNMENT, tmp_path / f"heads.{suffix}")
    assert (tmp_path / f"heads.{suffix}").read_bytes().startswith(MAGIC[suffix])


@pytest.mark.parametrize("eos", [False, True])
def test_each_head_has_a_panel_with_the_greys_of_its_weights(eos):
    picture = plot_heads(ALIGNMENT, eos=eos)
    matrices = [matrix for layer in ALIGNMENT.heads.matrices for matrix in layer]
    for axes, matrix in zip(picture.axes, matrices, strict=True):
        check_greys(picture, axes, matrix)


def test_layers_are_rows_heads_are_columns_and_words_stand_once_at_the_edges():
    picture = plot_heads(ALIGNMENT, title="all of it")
    places = np.array([[box(picture, axes).x0, box(picture, axes).y0] for axes in picture.axes])
    columns, rows = places.reshape(2, 3, 2).transpose(2, 0, 1)
    assert (np.diff(columns, axis=1) > 0).all() and (np.diff(rows, axis=0) < 0).all()
    np.testing.assert_allclose(np.ptp(columns, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.ptp(rows, axis=1), 0, atol=1e-6)
    titles = ["layer 0", "layer 1", "head 0", "head 1", "head 2", "all of it"]
    assert shown(picture) == sorted([*titles, *"abc" * 3, *"xy" * 2])
    assert outside(picture) == []


def test_words_that_would_be_too_small_are_left_out_and_panels_stay_small():
    words = [f"word{i}" for i in range(60)]
    alignment = with_heads(alignment_of(words, words), 1, 2)
    picture = plot_heads(alignment, eos=True)
    assert shown(picture) == ["head 0", "head 1", "layer 0"]
    assert max(picture.get_size_inches()) < 6


def test_gold_is_drawn_into_every_panel_with_its_aer_below():
    gold = GoldLinks({(0, 0)}, {(2, 1)})
    picture = plot_heads(ALIGNMENT, gold=gold, links=True)
    for number, axes in enumerate(picture.axes):
        links = ALIGNMENT.head(*divmod(number, 3)).links()
        aer = alignment_scores([links], [gold]).aer
        assert axes.get_xlabel() == f"AER {aer:.0%}"
        assert box(picture, axes.xaxis.label).y1 < box(picture, axes).y0
        check_marks(picture, axes, ALIGNMENT.matrix, gold.possible, links)
    assert outside(picture) == []


def test_what_cannot_be_drawn_is_told(tmp_path):
    with pytest.raises(DataError, match="no heads to draw; ask for it with heads=True"):
        plot_heads(alignment_of(["a"], ["x"]))
    empty = with_heads(Alignment(["a"], [], np.zeros((0, 1)), []), 1, 1)
    with pytest.raises(DataError, match="1 source and 0 target words"):
        plot_heads(empty)
    with pytest.raises(DataError, match="link 3-0"):
        plot_heads(ALIGNMENT, gold=GoldLinks({(3, 0)}, set()))
    with pytest.raises(DataError, match=r"\.png, \.svg or \.pdf; got"):
        plot_heads(ALIGNMENT, tmp_path / "heads.gif")
