import numpy as np
import pytest

from nmt.analysis.matrix_panel import MatrixPanel, legend_handles
from nmt.analysis.matrix_plot import plot_alignment
from nmt.analysis.panel_layout import arrange, new_picture
from nmt.analysis.pharaoh import GoldLinks
from tests.analysis.picture_reading import alignment_of, box, outside

GOLD = GoldLinks({(0, 0)}, {(0, 1)})


def draw(sizes, **options):
    """Panels of (rows, columns) cells, with words of different lengths and captions."""
    picture, rng = new_picture(), np.random.default_rng(0)
    panels = []
    for row in sizes:
        panels.append([])
        for num_rows, num_columns in row:
            panel = MatrixPanel(picture, rng.uniform(size=(num_rows, num_columns)), None, 0.2)
            panel.draw_source_words(["word" * int(n) for n in rng.integers(1, 4, num_columns)])
            panel.draw_target_words(["Wort" * int(n) for n in rng.integers(1, 4, num_rows)])
            panel.draw_title("a title")
            panel.draw_row_title("row", 8)
            panel.draw_caption("a caption that is wider than the cells", 8)
            panels[-1].append(panel)
    arrange(picture, panels, **options)
    return picture, panels


@pytest.mark.parametrize("sizes", [[[(2, 3)]], [[(2, 1), (4, 3)], [(1, 5), (3, 2)], [(2, 2)] * 2]])
def test_first_cells_are_on_lines_and_nothing_overlaps_or_is_cut_off(sizes):
    picture, panels = draw(
        sizes, title="a title above all", legend=legend_handles(GOLD, links=True)
    )
    assert outside(picture) == []
    cells = [[box(picture, panel.axes) for panel in row] for row in panels]
    for row in cells:
        assert {round(b.y1, 3) for b in row} == {round(row[0].y1, 3)}
    for column in zip(*cells, strict=True):
        assert {round(b.x0, 3) for b in column} == {round(column[0].x0, 3)}
    for row, of_sizes in zip(cells, sizes, strict=True):
        for b, (num_rows, num_columns) in zip(row, of_sizes, strict=True):
            expected = np.array([num_columns, num_rows]) * 0.2 * picture.dpi
            np.testing.assert_allclose([b.width, b.height], expected)

    renderer = picture.canvas.get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in picture.axes]
    boxes += [box(picture, artist) for artist in (*picture.texts, *picture.legends)]
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            apart = one.x1 < other.x0 or other.x1 < one.x0 or one.y1 < other.y0 or other.y1 < one.y0
            assert apart


def test_a_legend_and_a_title_wider_than_the_panels_are_inside():
    picture = plot_alignment(
        alignment_of(["a"], ["x", "y"]), title="a long title for so few cells", gold=GOLD, links=[]
    )
    assert outside(picture) == []
    (legend,) = picture.legends
    assert box(picture, legend).width > box(picture, picture.axes[0]).width
    assert box(picture, legend).y1 < box(picture, picture.axes[0]).y0


def test_a_sentence_too_long_for_a_picture_becomes_one_of_bounded_size():
    alignment = alignment_of(["first", *[""] * 899], ["Wort"])
    picture = plot_alignment(alignment, gold=GoldLinks({(0, 0)}, set()))
    width, height = (int.from_bytes(picture.render(".png")[i : i + 4]) for i in (16, 20))
    assert width <= 8000 and height <= 8000 and width * height <= 16e6
    assert max(picture.get_size_inches()) < 200  # of a page of PDF
    assert outside(picture) == []
