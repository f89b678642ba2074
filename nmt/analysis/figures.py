"""Figures without a display: made, given fonts that have their glyphs, and written to files.

Everything here uses matplotlib's objects and never pyplot, so there is no global state: figures
may be made in any thread, with or without a screen, and are freed when the last name goes.
"""

import logging
import os
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nmt.errors import DataError

logger = logging.getLogger(__name__)

# What must be left out so that the same picture is the same bytes on every day.
_METADATA = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Producer": None, "Creator": None},
}
_FIRST_FAMILY = "DejaVu Sans"  # comes with matplotlib
_MAX_PIXELS = 8000  # along the longer side of a PNG


class Picture(Figure):
    """A matplotlib figure that a notebook shows without pyplot."""

    def __init__(self, width: float, height: float):
        """An empty figure of width and height in inches."""
        super().__init__(figsize=(width, height), dpi=150, facecolor="white")
        FigureCanvasAgg(self)

    def save(self, path: str | os.PathLike) -> None:
        """Writes a .png, .svg or .pdf: whole, or not at all, replacing what was there.

        Raises:
          DataError: another suffix, or a place that cannot be written.
        """
        path = check_picture_path(path)
        content = self.render(path.suffix.lower())
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(content)
            beside.replace(path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise DataError(f"cannot write the picture {path}: {error.strerror}") from error

    def render(self, suffix: str) -> bytes:
        """The picture as the bytes of a '.png', '.svg' or '.pdf' file; always the same bytes."""
        buffer = BytesIO()
        # Text stays text in an SVG, so that it can be searched and a browser may help with fonts;
        # a PDF embeds TrueType fonts (42), which publishers ask for.
        settings = {"svg.hashsalt": "nmt", "svg.fonttype": "none", "pdf.fonttype": 42}
        dpi = min(self.dpi, _MAX_PIXELS / max(self.get_size_inches()))
        with matplotlib.rc_context(settings), quiet_fonts():
            self.savefig(buffer, format=suffix[1:], dpi=dpi, metadata=_METADATA[suffix])
        if suffix == ".svg":  # a reader without our fonts should see their kind
            families = rb"""(style="[^"]*font(?:-family)?: [^;"]*')"""
            return re.sub(families, rb"\1, sans-serif", buffer.getvalue())
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self.render(".png")


def check_picture_path(path: str | os.PathLike) -> Path:
    """The path, if its suffix names a format that we write; to be asked before long work.

    Raises:
      DataError: the suffix is another, or none.
    """
    path = Path(path)
    if path.suffix.lower() not in _METADATA:
        wanted = "a picture is written as .png, .svg or .pdf"
        raise DataError(f"{wanted}; got {str(path)!r}, with the suffix {path.suffix!r}")
    return path


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


def printable(text: str) -> str:
    """The text with U+FFFD for what no file may hold: controls, lone surrogates, unassigned."""
    bad = ("Cc", "Cs", "Cn")
    return "".join("\ufffd" if unicodedata.category(char) in bad else char for char in text)


def font_families(texts: Iterable[str]) -> list[str]:
    """Font families that together have the glyphs of the texts, for matplotlib to fall back along.

    Args:
      texts: all labels of a figure.
    Returns:
      DejaVu Sans, then as few installed families as it takes, those with most of the missing
      characters first. What no font has is logged, once for each script, and drawn as boxes.
    """
    missing = {char for text in texts for char in text if _has_a_shape(char)}
    missing -= _coverage(_FIRST_FAMILY)
    families = [_FIRST_FAMILY]
    candidates = _installed_families() if missing else ()
    while missing:
        best = max(candidates, key=lambda family: len(missing & _coverage(family)), default=None)
        if best is None or not missing & _coverage(best):
            break
        families.append(best)
        missing -= _coverage(best)
    for script in sorted({_script(char) for char in missing}):
        _tell_missing(script)
    return families


def _has_a_shape(char: str) -> bool:
    """Not for spaces, controls, joiners and variation selectors, which fonts need not have."""
    return unicodedata.category(char)[0] not in "CZ" and not 0xFE00 <= ord(char) <= 0xFE0F


@lru_cache(maxsize=1)
def _installed_families() -> tuple[str, ...]:
    """Families to fall back to: sorted, and such as Noto, made to be read together, first."""
    names = {entry.name for entry in font_manager.fontManager.ttflist}
    # These draw a box of some kind for every character there is, and mathematics.
    names = {n for n in names if not n.startswith(("Last", ".Last", "Adobe Blank", "cm", "STIX"))}
    return tuple(sorted(names, key=lambda name: (not name.startswith("Noto Sans"), name)))


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
    """'Hiragana' of 'あ': the first word of its Unicode name."""
    name = unicodedata.name(char, f"U+{ord(char):04X}").split()[0]
    return name if name == "CJK" else name.capitalize()


@lru_cache(maxsize=1024)  # once for each script
def _tell_missing(script: str) -> None:
    logger.warning(
        "no installed font has the %s characters of this picture: they are drawn as boxes; "
        "install one (such as a Noto font), or write an .svg and open it in a browser",
        script,
    )
