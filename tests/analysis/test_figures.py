import logging
import subprocess
import sys

import matplotlib
import pytest
from matplotlib import font_manager

from nmt.analysis import figures
from nmt.analysis.figures import Picture, check_picture_path, font_families, printable
from nmt.errors import DataError


@pytest.fixture
def fonts(monkeypatch):
    """Sets which characters the installed families have, by name."""

    def install(**families):
        covered = {"DejaVu Sans": frozenset("abc "), **families}
        monkeypatch.setattr(figures, "_coverage", lambda family: frozenset(covered[family]))
        monkeypatch.setattr(figures, "_installed_families", lambda: tuple(covered))
        figures._tell_missing.cache_clear()

    return install


def test_the_first_font_is_enough_for_latin_greek_and_cyrillic(caplog):
    assert font_families(["naïve", "λόγος", "Привет", "$5"]) == ["DejaVu Sans"]
    assert not caplog.records


def test_families_are_added_for_what_is_missing_the_most_useful_first(fonts, caplog):
    fonts(Few="日", Many="日本語", Other="नम", Useless="abc")
    assert font_families(["日本語", "a"]) == ["DejaVu Sans", "Many"]
    assert font_families(["日本語", "नम"]) == ["DejaVu Sans", "Many", "Other"]
    assert not caplog.records


def test_a_script_without_a_font_is_logged_once(fonts, caplog):
    fonts(Kanji="日本")
    with caplog.at_level(logging.WARNING):
        assert font_families(["日本", "ひら", "がな"]) == ["DejaVu Sans", "Kanji"]
        font_families(["ひらがな"])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Hiragana" in caplog.text


def test_characters_without_a_shape_need_no_font(fonts, caplog):
    fonts()
    assert font_families(["a\u200db", "a\u00a0b\n\u0000", "c\ufe0f"]) == ["DejaVu Sans"]
    assert not caplog.records


def test_coverage_is_that_of_the_font_file():
    path = font_manager.findfont("DejaVu Sans")
    charmap = font_manager.get_font(path).get_charmap()
    assert figures._coverage("DejaVu Sans") == {chr(code) for code in charmap}
    assert figures._coverage("no such family at all") == frozenset()
    assert not any("Last" in family for family in figures._installed_families())


def test_what_no_file_may_hold_is_replaced_and_joiners_stay():
    assert printable("a\0b\n\ud800\uffff") == "a\ufffdb\ufffd\ufffd\ufffd"
    assert printable("می\u200cخواهم क्‍ष \u00ad") == "می\u200cخواهم क्‍ष \u00ad"


def test_settings_of_matplotlib_are_left_as_they_were():
    before = dict(matplotlib.rcParams)
    Picture(1, 1).render(".svg")
    assert dict(matplotlib.rcParams) == before


def test_an_svg_names_a_kind_of_font_for_readers_without_ours():
    picture = Picture(1, 1)
    picture.text(0.5, 0.5, "font: 'as is'", fontfamily=["DejaVu Sans"])
    svg = picture.render(".svg")
    assert b" 'DejaVu Sans', sans-serif" in svg and b">font: 'as is'<" in svg


def test_a_large_picture_stays_within_bounds():
    width, height = (int.from_bytes(Picture(90, 9).render(".png")[i : i + 4]) for i in (16, 20))
    assert (width, height) == (8000, 800)


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
