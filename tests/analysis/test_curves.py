import math

import numpy as np
import pytest

from nmt.analysis.curves import Curve, curve, plot_bleu_by_length, plot_curves
from nmt.analysis.scores import LengthBucket
from nmt.errors import DataError

RECORDS = [
    {"step": 50, "seconds": 30.0, "loss": 5.5},
    {"step": 100, "seconds": 60.0, "loss": math.nan},
    {"step": 100, "seconds": 90.0, "bleu": 12.5, "note": "best"},
    {"step": 150, "seconds": 120.0, "loss": 4.0, "bleu": None},
]


def bucket(lower, upper, count, bleu, lowercase=None):
    return LengthBucket(
        lower=lower, upper=upper, count=count, bleu=bleu, bleu_tokenized_lowercase=lowercase
    )


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


def test_buckets_too_small_to_say_anything_are_gaps():
    buckets = [bucket(0, 5, 500, 30.0), bucket(6, 9, 9, 99.0), bucket(10, None, 0, None)]
    drawn = plot_bleu_by_length({"a": buckets}).axes[0].lines[0].get_ydata()
    np.testing.assert_array_equal(drawn, [30, math.nan, math.nan])


def test_systems_must_share_their_buckets():
    with pytest.raises(DataError, match="2 kinds of buckets in 2 systems"):
        plot_bleu_by_length({"a": [bucket(0, None, 9, 1.0)], "b": [bucket(0, None, 8, 1.0)]})
    with pytest.raises(DataError, match="0 kinds of buckets in 0 systems"):
        plot_bleu_by_length({})
