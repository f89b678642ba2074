import io
import re
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest

from nmt.analysis.alignment import Alignment
from nmt.analysis.matrix_plot import plot_alignment, png
from nmt.errors import DataError

MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
GREYS = np.array([[1.0, 0.5, 0.0], [0.0, 0.25, 0.75]])


def alignment_of(source, target, seed=0):
    rng = np.random.default_rng(seed)
    matrix = rng.dirichlet(np.full(len(source) + 1, 0.1), size=len(target))
    return Alignment(source, target, matrix[:, :-1], matrix[:, -1])


def pixels(content):
    """(height, width), 0 black to 1 white."""
    return matplotlib.image.imread(io.BytesIO(content))[..., :3].mean(axis=-1)


def labels_inside(picture):
    """The boxes of all texts and whether each lies within the figure."""
    renderer = picture.canvas.get_renderer()
    axes = picture.axes[0]
    texts = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    texts += [axes.title] if axes.get_title() else []
    boxes = [text.get_window_extent(renderer) for text in texts]
    width, height = picture.get_size_inches() * picture.dpi
    return [b.x0 >= 0 and b.y0 >= 0 and b.x1 <= width and b.y1 <= height for b in boxes]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_writes_each_format_into_a_new_folder(tmp_path, suffix):
    path = tmp_path / "pictures" / f"matrix.{suffix}"
    plot_alignment(alignment_of(["a", "b"], ["x", "y", "z"]), path)
    assert path.read_bytes().startswith(MAGIC[suffix])
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # nothing half-written beside


def test_source_words_are_on_top_and_target_words_at_the_left():
    picture = plot_alignment(alignment_of(["a", "b"], ["x", "y", "z"]))
    axes = picture.axes[0]
    renderer = picture.canvas.get_renderer()
    box = axes.get_window_extent(renderer)
    top = [label.get_window_extent(renderer) for label in axes.get_xticklabels()]
    left = [label.get_window_extent(renderer) for label in axes.get_yticklabels()]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x", "y", "z"]
    assert all(b.y0 > box.y1 for b in top) and top[0].x0 < top[1].x0
    assert all(b.x1 < box.x0 for b in left) and left[0].y0 > left[1].y0 > left[2].y0


def test_each_cell_has_the_grey_of_its_weight():
    alignment = Alignment(["a", "b", "c"], ["x", "y"], GREYS, 1 - GREYS.sum(axis=1))
    picture = plot_alignment(alignment)
    grey = pixels(picture.render(".png"))
    box = picture.axes[0].get_window_extent(picture.canvas.get_renderer())
    for row in range(2):
        for column in range(3):
            x = box.x0 + (column + 0.5) * box.width / 3
            y = len(grey) - box.y1 + (row + 0.5) * box.height / 2
            assert grey[round(y), round(x)] == pytest.approx(GREYS[row, column], abs=0.01)


@pytest.mark.parametrize("num_words", [1, 3, 20, 60])
def test_cells_and_letters_keep_their_size_and_every_word_is_inside(num_words):
    source = [f"word{i}" for i in range(num_words)]
    target = ["Donaudampfschifffahrtsgesellschaftskapitän", *(["ja"] * num_words)]
    picture = plot_alignment(alignment_of(source, target), title="a title longer than three words")
    box = picture.axes[0].get_window_extent(picture.canvas.get_renderer())
    cell = plot_alignment(alignment_of(["a"], ["x"])).axes[0].get_window_extent()
    assert box.width / num_words == pytest.approx(cell.width)
    assert box.height / (num_words + 1) == pytest.approx(cell.height)
    assert cell.width == pytest.approx(cell.height)
    assert all(labels_inside(picture))
    assert {label.get_fontsize() for label in picture.axes[0].get_xticklabels()} == {10}


def test_neighbouring_words_do_not_touch():
    picture = plot_alignment(alignment_of(["Ägypten"] * 60, ["gjÅ"] * 60))
    renderer = picture.canvas.get_renderer()
    columns = [t.get_window_extent(renderer) for t in picture.axes[0].get_xticklabels()]
    rows = [t.get_window_extent(renderer) for t in picture.axes[0].get_yticklabels()]
    assert all(one.x1 < other.x0 for one, other in zip(columns, columns[1:], strict=False))
    assert all(one.y0 > other.y1 for one, other in zip(rows, rows[1:], strict=False))


def test_words_are_text_in_an_svg_and_never_formulas(tmp_path):
    source, target = ["$x^2$", "a_b", "<&>", "\\frac"], ["$", "5$", "naïve"]
    plot_alignment(alignment_of(source, target), tmp_path / "m.svg", title="for $5 or $6")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", (tmp_path / "m.svg").read_text("utf-8"))
    assert texts == ["$x^2$", "a_b", "&lt;&amp;&gt;", "\\frac", *target, "for $5 or $6"]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_alignment_makes_the_same_bytes(suffix):
    alignment = alignment_of(["a", "b"], ["x"])
    assert plot_alignment(alignment).render(suffix) == plot_alignment(alignment).render(suffix)


def test_nothing_in_a_file_tells_when_it_was_made(monkeypatch):
    picture = plot_alignment(alignment_of(["a", "b"], ["x"]))
    before = [picture.render(suffix) for suffix in (".png", ".svg", ".pdf")]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")  # matplotlib's date, if it wrote one
    assert [picture.render(suffix) for suffix in (".png", ".svg", ".pdf")] == before


def test_eos_is_one_more_column_on_request():
    alignment = alignment_of(["a", "b"], ["x", "y"])
    without, with_eos = plot_alignment(alignment), plot_alignment(alignment, eos=True)
    labels = [label.get_text() for label in with_eos.axes[0].get_xticklabels()]
    assert labels == ["a", "b", "EOS"]
    assert with_eos.get_size_inches()[0] > without.get_size_inches()[0]


def test_words_with_controls_and_of_scripts_without_a_font_are_drawn_without_a_warning():
    words = ["a\u0000b", "\u200dzero", "日本語", "नमस्ते", "مرحبا", "Привет", "\U0001f600"]
    assert png(alignment_of(words, words)).startswith(MAGIC["png"])
    assert plot_alignment(alignment_of(words, words)).render(".pdf").startswith(MAGIC["pdf"])
    svg = plot_alignment(alignment_of(words, words), title="\ud800").render(".svg").decode()
    assert "a\ufffdb" in svg and all(word in svg for word in words[1:])
    assert ElementTree.fromstring(svg).tag.endswith("svg")


def test_no_words_no_picture():
    with pytest.raises(DataError, match="got 1 source and 0 target words"):
        plot_alignment(Alignment(["a"], [], np.zeros((0, 1)), []))


@pytest.mark.parametrize("name", ["matrix.jpg", "matrix"])
def test_another_suffix_names_the_legal_ones(tmp_path, name):
    with pytest.raises(DataError, match=r"\.png, \.svg or \.pdf; got .*matrix"):
        alignment_of(["a"], ["x"]).plot(tmp_path / name)


def test_plot_of_an_alignment_is_this_one(tmp_path):
    alignment = alignment_of(["a", "b"], ["x"])
    alignment.plot(tmp_path / "m.PNG", title="t", eos=True)
    assert (tmp_path / "m.PNG").read_bytes() == png(alignment, title="t", eos=True)
