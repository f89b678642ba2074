import re
import subprocess
import sys

import matplotlib
import pytest

from nmt.analysis.figures import Picture, check_picture_path, printable
from nmt.errors import DataError


def test_what_no_file_may_hold_is_replaced_and_joiners_stay():
    assert printable("a\0b\n\ud800\uffff") == "a\ufffdb\ufffd\ufffd\ufffd"
    assert printable("می\u200cخواهم क्‍ष \u00ad") == "می\u200cخواهم क्‍ष \u00ad"


def test_settings_of_matplotlib_are_left_as_they_were():
    before = dict(matplotlib.rcParams)
    Picture(1, 1).render(".svg")
    assert dict(matplotlib.rcParams) == before


def test_an_svg_names_a_kind_of_font_for_readers_without_ours():
    picture = Picture(1, 1)
    picture.text(0.5, 0.5, "style=\"font: 'as is'\"", fontfamily=["DejaVu Sans"])
    svg = picture.render(".svg")
    assert b" 'DejaVu Sans', sans-serif" in svg and b">style=\"font: 'as is'\"<" in svg


def test_an_svg_lets_the_first_letter_say_which_way_a_text_runs():
    picture = Picture(1, 1)
    picture.text(0.5, 0.5, "مرحبا!", fontfamily=["DejaVu Sans"])
    picture.text(0.5, 0.2, "hello!", fontfamily=["DejaVu Sans"], ha="center", rotation=90)
    texts = re.findall(rb"<text[^>]*>", picture.render(".svg"))
    assert len(texts) == 2 and all(b"unicode-bidi: plaintext" in text for text in texts)


@pytest.mark.parametrize("inches, pixels", [((90, 9), (8000, 800)), ((100, 100), (4000, 4000))])
def test_a_large_picture_stays_within_bounds(inches, pixels):
    content = Picture(*inches).render(".png")
    assert tuple(int.from_bytes(content[i : i + 4]) for i in (16, 20)) == pixels
    resized = Picture(1, 1)
    resized.resize(*inches)  # so is what matplotlib itself draws of it, whoever asks
    assert resized.canvas.get_width_height() == pixels


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "file" / "m.png", tmp_path / "folder.png"):
        with pytest.raises(DataError, match="cannot write the picture .*m?.png: "):
            Picture(1, 1).save(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_failed_save_leaves_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "m.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(Picture, "savefig", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Picture(1, 1).save(path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_paths_are_checked_before_anything_is_drawn():
    assert check_picture_path("a/b.Pdf").name == "b.Pdf"
    with pytest.raises(DataError, match=r"\.png, \.svg or \.pdf; got 'x\.gif'"):
        check_picture_path("x.gif")


def test_neither_pyplot_nor_a_display_is_needed():
    code = (
        "import sys; from nmt.analysis.alignment import Alignment\n"
        "assert 'matplotlib' not in sys.modules\n"
        "Alignment(['a'], ['x'], [[1]], [0]).plot()\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'jax' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
