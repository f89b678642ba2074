import io
import logging
import os
import re
import shutil
import warnings
import zlib
from functools import cache

import matplotlib.image
import numpy as np
import pytest
from matplotlib import font_manager
from scipy import ndimage

from nmt.analysis import fonts
from nmt.analysis.figures import Picture
from nmt.analysis.fonts import FIRST_FAMILY, font_families, quiet_fonts

SCRIPTS = {
    "Latin": ["naïve", "Škoda", "Ångström", "ẞ"],
    "Greek": ["λόγος", "ὅς"],
    "Cyrillic": ["Привет", "щука", "їжак"],
    "Arabic": ["السلام", "عليكم", "می\u200cخواهم", "ٱلْقُرْآن", "پہاڑ"],
    "Hebrew": ["שלום", "עִבְרִית"],
    "Devanagari": ["नमस्ते", "क्षत्रिय", "हिन्दी", "।"],
    "Bengali": ["বাংলা", "ভাষা"],
    "Tamil": ["தமிழ்"],
    "Thai": ["ภาษาไทย", "ที่"],
    "Japanese": ["日本語", "ひらがな", "カタカナ", "。", "「骨」", "ー", "㈱"],
    "simplified Chinese": ["汉语", "这个", "，"],
    "traditional Chinese": ["漢語", "這個", "，"],
    "Korean": ["한국어", "漢字"],
}
# Where the fonts of apt.txt must be, what is missing is a failure.
MUST_HAVE_FONTS = os.environ.get("CI") == "true"


@cache
def characters_of_fonts():
    """All that the fonts which matplotlib knows have a shape for, asked of the files."""
    names = {entry.fname for entry in font_manager.fontManager.ttflist}
    real = (name for name in names if "LastResort" not in name)  # which has a box for all there are
    return {code for name in real for code in font_manager.get_font(name).get_charmap()}


def are_in_fonts(text):
    return {ord(character) for character in text if character.isalpha()} <= characters_of_fonts()


@pytest.fixture
def families(caplog, request):
    """The families for texts; skips where a character is in no font that is installed."""

    def families(texts):
        fonts._tell_missing.cache_clear()
        with caplog.at_level(logging.WARNING, logger="nmt"):
            found = font_families(texts)
        may_lack = not MUST_HAVE_FONTS and "pretended" not in request.fixturenames
        if caplog.records and may_lack and not are_in_fonts("".join(texts)):
            pytest.skip(caplog.text)
        assert not caplog.records
        return found

    return families


@pytest.fixture
def pretended(monkeypatch):
    """Sets which characters the installed families have, by name."""

    def install(**families):
        covered = {FIRST_FAMILY: frozenset("abc "), **families}
        monkeypatch.setattr(fonts, "_coverage", lambda family: frozenset(covered[family]))
        monkeypatch.setattr(fonts, "_installed_families", lambda: tuple(covered))
        monkeypatch.setattr(fonts, "_find_new_fonts", lambda: None)
        fonts._tell_missing.cache_clear()

    return install


def picture_of(text, families, size=40):
    picture = Picture(0.03 * size * max(2, len(text)), 0.04 * size)
    picture.text(0.5, 0.5, text, ha="center", va="center", fontfamily=families, fontsize=size)
    return picture


def ink(text, families):
    """(height, width), True where a text is drawn, without the white around it."""
    with quiet_fonts():
        content = picture_of(text, families).render(".png")
    drawn = matplotlib.image.imread(io.BytesIO(content))[..., :3].mean(axis=-1) < 0.5
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def boxes_drawn(text, families):
    """What matplotlib says of characters that it draws as boxes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        picture_of(text, families).savefig(io.BytesIO(), format="png")
    return [str(w.message) for w in caught if "missing from font" in str(w.message)]


def test_boxes_would_be_seen():
    assert boxes_drawn("日本", [FIRST_FAMILY])
    assert not boxes_drawn("abc", [FIRST_FAMILY])


@pytest.mark.parametrize("words", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_no_word_of_any_script_is_drawn_as_boxes(families, words):
    chosen = families(words)
    for word in words:
        assert not boxes_drawn(word, chosen)
    letters = [char for word in words for char in word if char.isalpha()]
    different = [char for i, char in enumerate(letters) if char not in letters[:i]][:6]
    drawn = [ink(char, chosen) for char in different]
    for i, one in enumerate(drawn):  # boxes are all the same
        assert not any(np.array_equal(one, other) for other in drawn[:i])


@pytest.mark.parametrize("words", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_a_pdf_embeds_glyphs_that_stand_for_the_characters(families, words):
    chosen = families(words)
    text = max(words, key=len)
    content = picture_of(text, chosen).render(".pdf")
    streams = [
        zlib.decompress(stream)
        for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
        if stream[:1] == b"x"
    ]
    assert b"LastResort" not in content and b"/FontFile2" in content
    maps = b" ".join(stream for stream in streams if b"beginbf" in stream)
    for char in filter(str.isalpha, text):
        assert f"{ord(char):04x}".encode() in maps.lower()


def test_arabic_is_joined_and_runs_from_right_to_left(families):
    chosen = families(["سلم", "اس"])
    _, separate = ndimage.label(ink("س ل م", chosen), np.ones((3, 3)))
    _, joined = ndimage.label(ink("سلم", chosen), np.ones((3, 3)))
    assert (separate, joined) == (3, 1)
    heights = ink("اس", chosen).sum(axis=0)
    assert heights.argmax() > 0.8 * len(heights)  # alef, the first letter and a tall stroke


def test_devanagari_is_reordered_and_has_conjuncts(families):
    chosen = families(["टि", "क्ष"])

    def place_of_the_bar(text):
        """Of the most ink below the middle: 0 at the left of the word, 1 at its right."""
        drawn = ink(text, chosen)
        return drawn[len(drawn) // 2 :].sum(axis=0).argmax() / drawn.shape[1]

    # The sign of i is typed after the letter and stands before it; that of ii stands after it.
    assert place_of_the_bar("टि") < 0.3 and place_of_the_bar("टी") > 0.7
    # Kept apart by a joiner, k and ss show the sign between them; together they are one form.
    apart, conjunct = ink("क्\u200cष", chosen), ink("क्ष", chosen)
    assert conjunct.shape[1] < 0.8 * apart.shape[1]


def test_han_characters_take_the_forms_of_the_language_of_the_words(families):
    def drawn(words):
        chosen = families([*words, "直"])
        return chosen[-1], ink("直", chosen)

    (japanese, stroke), (simplified, other_stroke) = drawn(["の"]), drawn(["这"])
    if not MUST_HAVE_FONTS and not (" JP" in japanese and " SC" in simplified):
        pytest.skip(f"fonts for each region are wanted; found {japanese} and {simplified}")
    assert not np.array_equal(stroke, other_stroke)
    regions = {family.split()[-1] for family in (drawn(["這"])[0], drawn(["는"])[0], japanese)}
    assert regions == {"TC", "KR", "JP"}


def test_regular_weight_is_chosen_where_a_family_has_others(families):
    for family in families(["日本語の"]):
        found = font_manager.findfont(font_manager.FontProperties(family=family))
        assert not re.search("bold|black|thin|light", str(found), re.IGNORECASE)


def test_the_first_font_is_enough_for_latin_greek_and_cyrillic(families):
    assert families(["naïve", "λόγος", "Привет", "$5"]) == [FIRST_FAMILY]


def test_families_are_added_for_what_is_missing_the_most_useful_first(pretended, families):
    pretended(Few="日", Many="日本語", Other="नम", Useless="abc")
    assert families(["日本語", "a"]) == [FIRST_FAMILY, "Many"]
    assert families(["日本語", "नम"]) == [FIRST_FAMILY, "Many", "Other"]


def test_a_word_is_drawn_with_one_font_where_the_first_lacks_some_letters(pretended, families):
    pretended(Some="ž", Latin="abcž")
    assert families(["až"]) == ["Latin", FIRST_FAMILY]


@pytest.mark.parametrize(
    "words, family", [("直の", "X JP"), ("直這", "X TC"), ("直这", "X SC"), ("直는", "X KR")]
)
def test_a_family_of_the_region_is_taken_before_others(pretended, families, words, family):
    all_of_them = "直の這这는"
    names = ("A", "X HK", "X JP", "X KR", "X SC", "X TC")
    pretended(**{name: all_of_them for name in names})
    assert families([words]) == [FIRST_FAMILY, family]


def test_a_script_without_a_font_is_logged_once(pretended, caplog):
    pretended(Kanji="日本")
    with caplog.at_level(logging.WARNING):
        assert font_families(["日本", "ひら", "がな"]) == [FIRST_FAMILY, "Kanji"]
        font_families(["ひらがな"])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Hiragana" in caplog.text


def test_characters_without_a_shape_need_no_font(pretended, families):
    pretended()
    shapeless = ["a\u200db", "a\u00a0b\n\u0000", "c\ufe0f", "a\U000e0100"]
    assert families(shapeless) == [FIRST_FAMILY]


def test_coverage_is_that_of_the_font_file():
    path = font_manager.findfont(FIRST_FAMILY)
    charmap = font_manager.get_font(path).get_charmap()
    assert fonts._coverage(FIRST_FAMILY) == {chr(code) for code in charmap}
    assert fonts._coverage("no such family at all") == frozenset()
    assert not any("Last" in family for family in fonts._installed_families())


def test_fonts_that_matplotlib_has_not_listed_yet_are_found(monkeypatch, tmp_path):
    """As after installing some: the list that it keeps is of the day when it was made."""
    listed = font_manager.fontManager.ttflist
    new = tmp_path / "new.ttf"
    shutil.copy(font_manager.findfont(FIRST_FAMILY), new)
    (tmp_path / "damaged.ttf").write_bytes(b"no font")
    found = [*(entry.fname for entry in listed), str(new), str(tmp_path / "damaged.ttf")]
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: found)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(listed))
    fonts._find_new_fonts.__wrapped__()
    added = font_manager.fontManager.ttflist[len(listed) :]
    assert {entry.fname for entry in added} == {str(new)}
