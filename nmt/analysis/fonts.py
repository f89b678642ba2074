"""Fonts for words of any script: installed families that have their glyphs, in their own forms.

matplotlib falls back along a list of families for each glyph, and shapes the text of each font:
Arabic is joined and runs from right to left, Devanagari has its conjuncts.
"""

import logging
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache

from matplotlib import font_manager

logger = logging.getLogger(__name__)

FIRST_FAMILY = "DejaVu Sans"  # comes with matplotlib
# A Han character has other strokes in Japan, Korea, Taiwan and China: families by region.
_REGIONS = {
    "JP": re.compile(r"\bJP\b|^Hiragino|^Yu Gothic|^Meiryo|^MS Gothic|^IPA|^Takao|^VL Gothic"),
    "KR": re.compile(r"\bKR\b|^Apple SD Gothic|^Malgun|^Nanum|^Un"),
    "TC": re.compile(r"\bTC\b|JhengHei|^MingLiU"),
    "SC": re.compile(r"\bSC\b|YaHei|^SimHei|^SimSun|^WenQuanYi"),
}


def font_families(texts: Iterable[str]) -> list[str]:
    """Font families that together have the glyphs of the texts, for matplotlib to fall back along.

    Args:
      texts: labels in one language; the words of one side of a picture. Han characters alone do
        not say whose they are: kana among them make them Japanese, Hangul Korean.
    Returns:
      DejaVu Sans, and as few installed families as it takes for what it lacks. They stand before
      it where it has some letters of a script and lacks others: a word is drawn with one font.
      What no font has is logged, once for each script, and drawn as boxes.
    """
    characters = {char for text in texts for char in text if _has_a_shape(char)}
    before, after = [], []
    missing = characters - _coverage(FIRST_FAMILY)
    if missing:
        _find_new_fonts()
    while missing:
        scripts = {_script(char) for char in missing}
        wanted = {char for char in characters if _script(char) in scripts}
        family = _family_with(wanted, missing, _region(characters))
        if family is None:
            break
        (before if wanted & _coverage(FIRST_FAMILY) else after).append(family)
        missing -= _coverage(family)
    for script in sorted({_script(char) for char in missing}):
        _tell_missing(script)
    return [*before, FIRST_FAMILY, *after]


@contextmanager
def quiet_fonts() -> Iterator[None]:
    """Without matplotlib's word on every missing glyph and on every font without a regular weight.

    `font_families` has looked before, and says what is missing once and by script.
    """
    fonts_logger = logging.getLogger("matplotlib.font_manager")
    fonts_logger.addFilter(_no_findfont)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
            yield
    finally:
        fonts_logger.removeFilter(_no_findfont)


def _no_findfont(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("findfont")


def _family_with(wanted: set[str], missing: set[str], region: str) -> str | None:
    """The family with all or most of the wanted characters, some missing ones among them."""
    families = sorted(_installed_families(), key=lambda name: not _REGIONS[region].search(name))
    complete = (family for family in families if wanted <= _coverage(family))
    useful = (family for family in families if missing & _coverage(family))
    return next(complete, None) or max(
        useful, key=lambda family: len(wanted & _coverage(family)), default=None
    )


def _region(characters: set[str]) -> str:
    """Whose forms Han characters take, one of _REGIONS.

    Where no other letters tell, simplified Chinese: unless the characters do not fit into its old
    code, but into that of the traditional one.
    """
    scripts = {_script(char) for char in characters}
    if scripts & {"Hiragana", "Katakana"}:
        return "JP"
    if "Hangul" in scripts:
        return "KR"
    han = "".join(char for char in characters if _script(char) == "CJK")
    return "TC" if not _fits(han, "gb2312") and _fits(han, "big5") else "SC"


def _fits(text: str, code: str) -> bool:
    with suppress(UnicodeEncodeError):
        text.encode(code)
        return True
    return False


def _has_a_shape(char: str) -> bool:
    """Not for spaces, controls, joiners and variation selectors, which fonts need not have."""
    if 0xFE00 <= ord(char) <= 0xFE0F or 0xE0100 <= ord(char) <= 0xE01EF:
        return False
    return unicodedata.category(char)[0] not in "CZ"


@lru_cache(maxsize=1)
def _find_new_fonts() -> None:
    """Adds fonts that were installed after matplotlib wrote the list that it keeps of them."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        with suppress(OSError, RuntimeError, ValueError, KeyError):  # damaged, or made of bitmaps
            font_manager.fontManager.addfont(path)


@lru_cache(maxsize=1)
def _installed_families() -> tuple[str, ...]:
    """Families to fall back to: of regular weight, and made to be read together as Noto's, first.

    To be asked after `_find_new_fonts`.
    """
    entries = font_manager.fontManager.ttflist
    # These draw a box of some kind for every character there is, and mathematics.
    names = {entry.name for entry in entries}
    names = {n for n in names if not n.startswith(("Last", ".Last", "Adobe Blank", "cm", "STIX"))}
    regular = {entry.name for entry in entries if entry.weight in (400, "normal", "regular")}

    def rank(name: str) -> tuple[bool, bool, str]:
        return name not in regular, not name.startswith("Noto Sans"), name

    return tuple(sorted(names, key=rank))


@lru_cache(maxsize=4096)
def _coverage(family: str) -> frozenset[str]:
    """The characters of the font file that matplotlib takes for a family's regular face."""
    try:
        properties = font_manager.FontProperties(family=family)
        with quiet_fonts():
            path = font_manager.findfont(properties, fallback_to_default=False)
        return frozenset(map(chr, font_manager.get_font(path).get_charmap()))
    except (ValueError, OSError, RuntimeError):  # gone since matplotlib listed it, or damaged
        return frozenset()


def _script(char: str) -> str:
    """'Hiragana' of 'あ': the first word of its Unicode name; but 'Symbol' for each of those."""
    if unicodedata.category(char) == "So":
        return "Symbol"
    name = unicodedata.name(char, f"U+{ord(char):04X}").split()[0]
    return name if name == "CJK" else name.capitalize()


@lru_cache(maxsize=1024)  # once for each script
def _tell_missing(script: str) -> None:
    logger.warning(
        "no installed font has the %s characters of this picture: they are drawn as boxes; "
        "install one (such as a Noto font), or write an .svg and open it in a browser",
        script,
    )
