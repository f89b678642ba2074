import re
from xml.etree import ElementTree

import numpy as np
import pytest

from nmt.analysis.aer import alignment_scores
from nmt.analysis.alignment import Alignment
from nmt.analysis.matrix_plot import plot_alignment, plot_side_by_side, png
from nmt.analysis.pharaoh import GoldLinks
from nmt.errors import DataError
from tests.analysis.picture_reading import (
    MAGIC,
    alignment_of,
    box,
    cell,
    check_greys,
    check_marks,
    greys,
    outside,
    shown,
)

GREYS = np.array([[1.0, 0.5, 0.0], [0.0, 0.25, 0.75]])


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_writes_each_format_into_a_new_folder(tmp_path, suffix):
    path = tmp_path / "pictures" / f"matrix.{suffix}"
    plot_alignment(alignment_of(["a", "b"], ["x", "y", "z"]), path)
    assert path.read_bytes().startswith(MAGIC[suffix])
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # nothing half-written beside


def test_source_words_are_on_top_and_target_words_at_the_left():
    picture = plot_alignment(alignment_of(["a", "b"], ["x", "y", "z"]))
    axes = picture.axes[0]
    cells = box(picture, axes)
    top = [box(picture, label) for label in axes.get_xticklabels()]
    left = [box(picture, label) for label in axes.get_yticklabels()]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x", "y", "z"]
    assert all(b.y0 > cells.y1 for b in top) and top[0].x0 < top[1].x0
    assert all(b.x1 < cells.x0 for b in left) and left[0].y0 > left[1].y0 > left[2].y0


@pytest.mark.parametrize("eos", [False, True])
def test_each_cell_has_the_grey_of_its_weight(eos):
    alignment = Alignment(["a", "b", "c"], ["x", "y"], GREYS, [0.1, 0.9])
    picture = plot_alignment(alignment, eos=eos)
    check_greys(picture, picture.axes[0], GREYS)


def test_eos_is_one_more_column_on_request_apart_from_the_words():
    alignment = Alignment(["a", "b"], ["x", "y"], [[0, 0.9], [0, 0]], [0.1, 1])
    without, with_eos = plot_alignment(alignment), plot_alignment(alignment, eos=True)
    labels = [label.get_text() for label in with_eos.axes[0].get_xticklabels()]
    assert labels == ["a", "b", "EOS"]
    assert with_eos.get_size_inches()[0] > without.get_size_inches()[0]
    image = greys(with_eos)
    for target, weight in enumerate(alignment.eos):
        left = with_eos.axes[0].get_xticks()[-1] - 0.5
        column = cell(image, with_eos, with_eos.axes[0], left, target)
        np.testing.assert_allclose(column, weight, atol=0.01)
        gap = cell(image, with_eos, with_eos.axes[0], (2 + left - 1) / 2, target)
        middle = gap[:, gap.shape[1] // 2]
        np.testing.assert_allclose(middle, 1)  # the paper


@pytest.mark.parametrize("num_words", [1, 3, 20, 60])
def test_cells_and_letters_keep_their_size_and_every_word_is_inside(num_words):
    source = [f"word{i}" for i in range(num_words)]
    target = ["Donaudampfschifffahrtsgesellschaftskapitän", *(["ja"] * num_words)]
    picture = plot_alignment(alignment_of(source, target), title="a title longer than three words")
    cells = box(picture, picture.axes[0])
    one = plot_alignment(alignment_of(["a"], ["x"])).axes[0].get_window_extent()
    assert cells.width / num_words == pytest.approx(one.width)
    assert cells.height / (num_words + 1) == pytest.approx(one.height)
    assert one.width == pytest.approx(one.height)
    assert outside(picture) == []
    assert {label.get_fontsize() for label in picture.axes[0].get_xticklabels()} == {10}


def test_words_are_text_in_an_svg_and_never_formulas(tmp_path):
    source, target = ["$x^2$", "a_b", "<&>", "\\frac"], ["$", "5$", "naïve"]
    plot_alignment(alignment_of(source, target), tmp_path / "m.svg", title="for $5 or $6")
    found = re.findall(r"<text[^>]*>([^<]*)</text>", (tmp_path / "m.svg").read_text("utf-8"))
    assert found == ["$x^2$", "a_b", "&lt;&amp;&gt;", "\\frac", *target, "for $5 or $6"]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_alignment_makes_the_same_bytes(suffix):
    alignment, gold = alignment_of(["a", "b"], ["x"]), GoldLinks({(0, 0)}, {(1, 0)})
    one, other = (plot_alignment(alignment, gold=gold, links=[(1, 0)]) for _ in range(2))
    assert one.render(suffix) == other.render(suffix)


def test_nothing_in_a_file_tells_when_it_was_made(monkeypatch):
    picture = plot_alignment(alignment_of(["a", "b"], ["x"]))
    before = [picture.render(suffix) for suffix in (".png", ".svg", ".pdf")]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")  # matplotlib's date, if it wrote one
    assert [picture.render(suffix) for suffix in (".png", ".svg", ".pdf")] == before


def test_words_with_controls_and_of_scripts_without_a_font_are_drawn_without_a_warning():
    words = ["a\u0000b", "\u200dzero", "日本語", "नमस्ते", "مرحبا", "Привет", "\U0001f600"]
    assert png(alignment_of(words, words)).startswith(MAGIC["png"])
    assert plot_alignment(alignment_of(words, words)).render(".pdf").startswith(MAGIC["pdf"])
    svg = plot_alignment(alignment_of(words, words), title="\ud800").render(".svg").decode()
    assert "a\ufffdb" in svg and all(word in svg for word in words[1:])
    assert ElementTree.fromstring(svg).tag.endswith("svg")


@pytest.mark.parametrize("marks", [{"gold": GoldLinks({(0, 1)}, set())}, {"links": [(2, 0)]}])
def test_a_link_to_a_word_that_is_not_there_is_told(marks, tmp_path):
    with pytest.raises(DataError, match=r"links: link \d-\d .* 2 source and 1 target words"):
        plot_alignment(alignment_of(["a", "b"], ["x"]), tmp_path / "m.png", **marks)
    assert list(tmp_path.iterdir()) == []


def test_models_side_by_side_have_the_target_words_once_and_each_its_own_weights(tmp_path):
    words = ["a", "b"], ["x", "y", "z"]
    one, other = alignment_of(*words, seed=1), alignment_of(*words, seed=2)
    gold = GoldLinks({(0, 0), (1, 2)}, {(1, 1)})
    picture = plot_side_by_side(
        {"GRU": one, "Transformer": other}, tmp_path / "two.pdf", title="two models"
    )
    assert (tmp_path / "two.pdf").read_bytes().startswith(MAGIC["pdf"])
    assert shown(picture) == sorted(["two models", "GRU", "Transformer", *"xyz", *"ab", *"ab"])
    left, right = picture.axes
    assert box(picture, left).x1 < box(picture, right).x0
    assert box(picture, left).y0 == pytest.approx(box(picture, right).y0)
    for axes, alignment in ((left, one), (right, other)):
        check_greys(picture, axes, alignment.matrix)

    marked = plot_side_by_side({"GRU": one, "Transformer": other}, gold=gold, links=True)
    for axes, alignment in zip(marked.axes, (one, other), strict=True):
        links = alignment.links()
        assert axes.get_xlabel() == f"AER {alignment_scores([links], [gold]).aer:.0%}"
        check_marks(marked, axes, alignment.matrix, gold.possible, links)
    assert outside(picture) == outside(marked) == []


def test_models_with_translations_of_their_own_each_have_their_words():
    one, other = alignment_of(["a"], ["x"]), alignment_of(["a"], ["y", "z"])
    picture = plot_side_by_side({"one": one, "other": other})
    assert shown(picture) == sorted(["one", "other", "a", "a", "x", "y", "z"])
    tops = [box(picture, axes).y1 for axes in picture.axes]
    assert tops[0] == pytest.approx(tops[1])
    assert outside(picture) == []


def test_no_words_no_picture():
    empty = Alignment(["a"], [], np.zeros((0, 1)), [])
    with pytest.raises(DataError, match="got 1 source and 0 target words"):
        plot_alignment(empty)
    with pytest.raises(DataError, match="got 1 source and 0 target words"):
        plot_side_by_side({"full": alignment_of(["a"], ["x"]), "empty": empty})
    with pytest.raises(DataError, match="got none"):
        plot_side_by_side({})


@pytest.mark.parametrize("name", ["matrix.jpg", "matrix"])
def test_another_suffix_names_the_legal_ones(tmp_path, name):
    with pytest.raises(DataError, match=r"\.png, \.svg or \.pdf; got .*matrix"):
        alignment_of(["a"], ["x"]).plot(tmp_path / name)
    with pytest.raises(DataError, match=r"\.png, \.svg or \.pdf; got .*matrix"):
        plot_side_by_side({"one": alignment_of(["a"], ["x"])}, tmp_path / name)


def test_plot_of_an_alignment_is_this_one(tmp_path):
    alignment = alignment_of(["a", "b"], ["x"])
    alignment.plot(tmp_path / "m.PNG", title="t", eos=True)
    assert (tmp_path / "m.PNG").read_bytes() == png(alignment, title="t", eos=True)
