import numpy as np
import pytest

from nmt.analysis.alignment import Alignment
from nmt.analysis.matrix_plot import plot_alignment
from nmt.analysis.pharaoh import GoldLinks
from tests.analysis.picture_reading import alignment_of, box, cell, colors

GREYS = np.array([[1.0, 0.5, 0.0], [0.0, 0.25, 0.75]])


def test_sure_links_are_framed_possible_ones_dashed_and_links_have_dots():
    alignment = Alignment(["a", "b", "c"], ["x", "y"], GREYS, [0, 0])
    gold = GoldLinks({(0, 0), (2, 0)}, {(1, 1)})  # on white, on black, on grey
    links = [(1, 0), (2, 1)]
    image = colors(picture := plot_alignment(alignment, gold=gold, links=links))
    plain = colors(bare := plot_alignment(alignment))
    colored = {}
    for target in range(2):
        for source in range(3):
            here = cell(image, picture, picture.axes[0], source, target)
            colored[source, target] = np.ptp(here, axis=-1) > 0.3  # grey has none
            inner = here[len(here) // 4, here.shape[1] // 4]  # beside a frame, and beside a dot
            assert inner == pytest.approx(GREYS[target, source], abs=0.01)
            if (source, target) not in {*gold.possible, *links}:
                there = cell(plain, bare, bare.axes[0], source, target)
                np.testing.assert_array_equal(here, there)
    share = {link: marked.mean() for link, marked in colored.items()}
    assert share[0, 0] == pytest.approx(share[2, 0])  # as plain on white as on black
    assert 0.4 * share[0, 0] < share[1, 1] < 0.8 * share[0, 0]
    assert share[0, 1] == 0
    for link in links:
        dot = colored[link]
        assert dot[len(dot) // 2, dot.shape[1] // 2] and not dot[2].any()
    for link in gold.possible:
        frame = colored[link]
        assert not frame[len(frame) // 2, frame.shape[1] // 2]


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_marks_differ_from_every_grey_in_lightness_alone(weight):
    """So they are seen with any colour vision: in each mark something is lighter or darker."""
    alignment = Alignment(["a", "b", "c"], ["x"], [[weight] * 3], [0])
    picture = plot_alignment(alignment, gold=GoldLinks({(0, 0)}, {(1, 0)}), links=[(2, 0)])
    luminance = relative_luminance(colors(picture))
    paper = relative_luminance(np.full(3, weight))
    for source in range(3):
        mark = cell(luminance, picture, picture.axes[0], source, 0)
        contrast = (np.maximum(mark, paper) + 0.05) / (np.minimum(mark, paper) + 0.05)
        # 3 to 1 is what WCAG 2 (1.4.11) asks of graphics.
        assert (contrast > 3).mean() > 0.02


def relative_luminance(rgb):
    """Of sRGB colours (..., 3), as WCAG 2 defines it."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_a_legend_explains_the_marks_that_there_are():
    alignment = alignment_of(["a", "b"], ["x"])

    def explained(**marks):
        legends = plot_alignment(alignment, **marks).legends
        return [text.get_text() for box in legends for text in box.get_texts()]

    assert explained() == []
    assert explained(gold=GoldLinks({(0, 0)}, set())) == ["gold, sure"]
    assert explained(gold=GoldLinks({(0, 0)}, {(1, 0)}), links=[]) == [
        "gold, sure",
        "gold, possible",
        "link",
    ]


def test_neighbouring_words_do_not_touch():
    picture = plot_alignment(alignment_of(["Ägypten"] * 60, ["gjÅ"] * 60))
    columns = [box(picture, text) for text in picture.axes[0].get_xticklabels()]
    rows = [box(picture, text) for text in picture.axes[0].get_yticklabels()]
    assert all(one.x1 < other.x0 for one, other in zip(columns, columns[1:], strict=False))
    assert all(one.y0 > other.y1 for one, other in zip(rows, rows[1:], strict=False))


def test_lone_characters_stand_upright_and_words_run_up():
    def rotations(words):
        labels = plot_alignment(alignment_of(words, ["x"]), eos=True).axes[0].get_xticklabels()
        return [label.get_rotation() for label in labels]

    assert rotations(["a", "b", "."]) == [0, 0, 0, 90]  # the last is EOS
    assert rotations(["ab", "."]) == [90, 90, 90]
