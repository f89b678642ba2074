import math
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from nmt.analysis.by_length import FEWEST, LengthBucket
from nmt.analysis.curves import Curve, curve, plot_bleu_by_length, plot_curves
from nmt.analysis.fonts import font_families
from nmt.analysis.significance import Resampled
from nmt.errors import DataError

RECORDS = [
    {"step": 50, "seconds": 30.0, "loss": 5.5},
    {"step": 100, "seconds": 60.0, "loss": math.nan},
    {"step": 100, "seconds": 90.0, "bleu": 12.5, "note": "best"},
    {"step": 150, "seconds": 120.0, "loss": 4.0, "bleu": None},
]


def bucket(lower, upper, count, bleu, lowercase=None):
    scores = {"bleu": bleu, "bleu_tokenized_lowercase": lowercase, "chrf": bleu}
    return LengthBucket(lower=lower, upper=upper, count=count, **scores)


def test_a_curve_takes_the_records_that_have_both_fields():
    assert curve(RECORDS, "step", "loss", name="a") == Curve("a", [50, 150], [5.5, 4.0])
    minutes = curve(RECORDS, "seconds", "bleu", name="a", x_unit=60)
    assert minutes == Curve("a", [1.5], [12.5])
    assert curve(RECORDS, "step", "note", name="a").x == []


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_curves_are_drawn_with_their_names(tmp_path, suffix):
    path = tmp_path / f"curves.{suffix}"
    runs = [Curve("gru $a$", [1, 2, 3], [9, 5, 4]), Curve("transformer", [1, 2], [8, 3])]
    plot_curves([*runs, Curve("no points", [], [])], path, x_label="step", y_label="loss")
    content = path.read_bytes()
    assert content.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix])
    if suffix == "svg":
        for label in (b">gru $a$<", b">transformer<", b">step<", b">loss<"):
            assert label in content
        assert b"no points" not in content


def test_the_points_drawn_are_those_given():
    line = Curve("a", [1.0, 2.0, 4.0], [3.0, 2.0, 1.0])
    axes = plot_curves([line], x_label="x", y_label="y", title="t", logarithmic=True).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), np.stack([line.x, line.y], 1))
    assert axes.get_yscale() == "log" and axes.get_title() == "t"


def test_a_band_is_drawn_in_the_colour_of_its_curve():
    curves = [
        Curve("a", [1.0, 2.0], [3.0, 2.0]),
        Curve("b", [1.0, 2.0], [3.0, 2.0], band=([2.5, 1.0], [4.0, 5.0])),
    ]
    axes = plot_curves(curves, x_label="x", y_label="y").axes[0]
    (band,) = axes.collections
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
    assert corners == {(1.0, 2.5), (2.0, 1.0), (1.0, 4.0), (2.0, 5.0)}
    assert to_hex(band.get_facecolor()[0]) == to_hex(axes.lines[1].get_color())


def test_many_curves_are_told_apart():
    curves = [Curve(str(number), [1, 2], [number, 0]) for number in range(20)]
    lines = plot_curves(curves, x_label="x", y_label="y").axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 20


def test_nothing_to_draw_is_refused():
    with pytest.raises(DataError, match="no points of bleu by minutes .*'a'"):
        plot_curves([Curve("a", [], [])], x_label="minutes", y_label="bleu")
    with pytest.raises(DataError, match=r"\.png, \.svg or \.pdf"):
        plot_curves([Curve("a", [1], [1])], "x.gif", x_label="x", y_label="y")


def test_bleu_by_length_has_a_line_a_system_and_the_counts_below(tmp_path):
    systems = {
        "attention": [bucket(0, 20, 900, 38.0, 40.0), bucket(21, None, 100, 35.0, 37.0)],
        "fixed": [bucket(0, 20, 900, 30.0, 31.0), bucket(21, None, 100, 12.0, 13.0)],
    }
    axes = plot_bleu_by_length(systems, tmp_path / "length.svg").axes[0]
    assert [list(line.get_ydata()) for line in axes.lines] == [[38, 35], [30, 12]]
    svg = (tmp_path / "length.svg").read_text("utf-8")
    assert all(f">{text}<" in svg for text in ("0-20", "(900)", "21+", "(100)", "attention"))
    other = plot_bleu_by_length(systems, tokenized_lowercase=True).axes[0]
    assert [list(line.get_ydata()) for line in other.lines] == [[40, 37], [31, 13]]


def test_buckets_too_small_to_say_anything_are_gaps_and_say_so(tmp_path):
    few = FEWEST - 1
    buckets = [bucket(0, 5, FEWEST, 30.0), bucket(6, 9, few, 99.0), bucket(10, None, 0, None)]
    axes = plot_bleu_by_length({"a": buckets}, tmp_path / "x.svg", unit="characters").axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [30, math.nan, math.nan])
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == [f"0-5\n({FEWEST})", f"6-9\n({few}: too few)", "10+\n(none)"]
    assert ">source characters (sentences)<" in (tmp_path / "x.svg").read_text("utf-8")


def test_bands_are_shaded_where_there_are_some():
    systems = {
        "a": [bucket(0, 20, 900, 38.0), bucket(21, 30, 3, 9.0), bucket(31, None, 90, 35.0)],
        "b": [bucket(0, 20, 900, 30.0), bucket(21, 30, 3, 9.0), bucket(31, None, 90, 12.0)],
    }

    def band(mean):  # a band lies around the mean, whatever the score
        return Resampled(score=mean - 1, mean=mean, interval=2.0, p_value=None)

    bands = {"a": [band(38.5), None, band(34.0)], "b": [band(30.0), None, band(12.0)]}
    axes = plot_bleu_by_length(systems, bands=bands).axes[0]
    shades, bars = axes.collections[::2], axes.collections[1::2]
    for shade, bar, line, of_system in zip(shades, bars, axes.lines, bands.values(), strict=True):
        drawn = [path.vertices for path in bar.get_paths() if np.isfinite(path.vertices).all()]
        corners = np.concatenate([path.vertices for path in shade.get_paths()])
        ends = {(x, of_system[x].mean + sign * 2) for x in (0, 2) for sign in (-1, 1)}
        assert set(map(tuple, corners)) == set(map(tuple, np.concatenate(drawn))) == ends
        colours = shade.get_facecolor()[0][:3], to_rgb(line.get_color())
        np.testing.assert_allclose(*colours)
    assert not plot_bleu_by_length(systems).axes[0].collections


def test_the_highest_point_lies_wholly_within_the_picture():
    """However alike the points are, as those of a good system."""
    buckets = [bucket(0, 20, 900, 94.0), bucket(21, None, 100, 95.0)]
    picture = plot_bleu_by_length({"a": buckets})
    picture.draw_without_rendering()
    (axes,), (line,) = picture.axes, picture.axes[0].lines
    assert axes.get_ylim()[0] == 0
    _, height = axes.transData.transform((1, 95.0))
    radius = line.get_markersize() / 2 * picture.dpi / 72
    assert height + radius < axes.get_window_extent().y1


def test_a_plot_without_any_point_is_drawn_all_the_same(tmp_path):
    plot_bleu_by_length({"a": [bucket(0, None, 3, 30.0)]}, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 0


def test_many_buckets_have_room_and_gaps_at_the_ends_are_in_the_picture():
    buckets = [bucket(i, i, 0 if i % 19 == 0 else 50, 30.0) for i in range(20)]
    picture = plot_bleu_by_length({"a": buckets})
    picture.draw_without_rendering()
    low, high = picture.axes[0].get_xlim()
    assert low < 0 and high > 19
    boxes = [label.get_window_extent() for label in picture.axes[0].get_xticklabels()]
    assert all(a.x1 < b.x0 for a, b in zip(boxes, boxes[1:], strict=False))


def test_every_name_is_in_the_legend(tmp_path):
    """matplotlib leaves out what begins with an underscore."""
    names = ["_hidden", "_", "run"]
    buckets = [bucket(0, None, 50, 30.0)]
    by_length = plot_bleu_by_length(dict.fromkeys(names, buckets), tmp_path / "x.svg")
    curves = plot_curves([Curve(n, [1], [2]) for n in names], x_label="x", y_label="y")
    for picture in (by_length, curves):
        assert [text.get_text() for text in picture.axes[0].get_legend().get_texts()] == names
    assert ">_hidden<" in (tmp_path / "x.svg").read_text("utf-8")


def test_control_characters_make_no_invalid_picture(tmp_path):
    axes = {"x_label": "x\1", "y_label": "y\2", "title": "t\3"}
    plot_curves([Curve("run\4", [1], [2])], tmp_path / "curves.svg", **axes)
    systems = {"run\4": [bucket(0, None, 50, 30.0)]}
    plot_bleu_by_length(systems, tmp_path / "length.svg", unit="words\1", title="t\3")
    for name in ("curves", "length"):
        root = ElementTree.parse(tmp_path / f"{name}.svg").getroot()  # or it is invalid
        texts = {text.strip() for text in root.itertext()}
        assert {"run\ufffd", "t\ufffd"} <= texts


@pytest.mark.parametrize(("num_curves", "is_beside"), [(6, False), (7, True)])
def test_a_long_legend_covers_no_curve(num_curves, is_beside):
    lines = [Curve(f"run {i}", [1, 2], [i, 2 * i]) for i in range(num_curves)]
    picture = plot_curves(lines, x_label="x", y_label="y")
    picture.draw_without_rendering()
    (axes,) = picture.axes
    legend = axes.get_legend().get_window_extent()
    assert (legend.x0 >= axes.get_window_extent().x1) == is_beside
    assert legend.x1 <= picture.bbox.x1 + 1


@pytest.mark.parametrize("num_curves", [1, 2, 7])
@pytest.mark.parametrize("length", [40, 80, 200])
def test_long_names_and_titles_are_within_and_take_no_room_of_the_curves(num_curves, length):
    names = ["/home/" + "x" * length + f"/{i}" for i in range(num_curves)]
    lines = [Curve(name, [1, 2], [i, 2 * i]) for i, name in enumerate(names)]
    picture = plot_curves(lines, x_label="x", y_label="y", title="t" * length)
    picture.draw_without_rendering()
    (axes,) = picture.axes
    (title,) = [text for text in (axes.title, *picture.texts) if text.get_text()]
    for box in (axes.get_legend().get_window_extent(), title.get_window_extent()):
        assert box.x0 >= 0 and box.x1 <= picture.bbox.x1 + 1
    assert axes.get_window_extent().width / picture.dpi > 5  # inches


def test_a_long_title_keeps_its_fonts():
    title = "中文标题" * 20
    picture = plot_curves([Curve("run", [1, 2], [1, 2])], x_label="x", y_label="y", title=title)
    (text,) = picture.texts
    assert text.get_text() == title and text.get_fontfamily() == font_families([title])


def test_the_eleventh_line_is_not_drawn_as_the_first():
    systems = {str(i): [bucket(0, 9, 100, i)] for i in range(12)}
    lines = plot_bleu_by_length(systems).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 12


def test_systems_must_share_their_buckets():
    with pytest.raises(DataError, match="2 kinds of buckets in 2 systems"):
        plot_bleu_by_length({"a": [bucket(0, None, 9, 1.0)], "b": [bucket(0, None, 8, 1.0)]})
    with pytest.raises(DataError, match="0 kinds of buckets in 0 systems"):
        plot_bleu_by_length({})
