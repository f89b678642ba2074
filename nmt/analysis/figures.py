"""Figures without a display: made, and written to files.

Everything here uses matplotlib's objects and never pyplot, so there is no global state: figures
may be made in any thread, with or without a screen, and are freed when the last name goes.
"""

import os
import re
import unicodedata
from io import BytesIO
from pathlib import Path

import matplotlib
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nmt.analysis.fonts import quiet_fonts
from nmt.analysis.whole_file import write_whole
from nmt.errors import DataError

# What must be left out so that the same picture is the same bytes on every day.
_METADATA = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Producer": None, "Creator": None},
}
# The fonts of a text in an SVG. A reader without them should see their kind; and what begins with a
# letter from right to left ends at the left, full stop and all, as it does in the other formats.
_FAMILIES = re.compile(rb"""(<t(?:ext|span) [^<>]*style="[^"<]*font(?:-family)?: [^;"<]*')""")
_FOR_BROWSERS = rb"\1, sans-serif; unicode-bidi: plaintext"
_MAX_PIXELS, _MAX_AREA = 8000, 16e6  # of a PNG: along its longer side, and in all


class Picture(Figure):
    """A matplotlib figure that a notebook shows without pyplot."""

    def __init__(self, width: float, height: float):
        """An empty figure of width and height in inches."""
        super().__init__(figsize=(width, height), dpi=150, facecolor="white")
        FigureCanvasAgg(self)

    def resize(self, width: float, height: float) -> None:
        """Makes it width and height inches, with as many pixels for an inch as its bounds allow."""
        self.set_size_inches(width, height)
        self.dpi = self._dpi_within_bounds()

    def size_of(self, artist: Artist) -> tuple[float, float]:
        """The width and height that an artist in it takes, in inches."""
        with quiet_fonts():
            box = artist.get_window_extent(self.canvas.get_renderer())
        return box.width / self.dpi, box.height / self.dpi

    def save(self, path: str | os.PathLike) -> None:
        """Writes a .png, .svg or .pdf: whole, or not at all, replacing what was there.

        Raises:
          DataError: another suffix, or a place that cannot be written.
        """
        path = check_picture_path(path)
        write_whole(path, self.render(path.suffix.lower()), "picture")

    def render(self, suffix: str) -> bytes:
        """The picture as the bytes of a '.png', '.svg' or '.pdf' file; always the same bytes."""
        buffer = BytesIO()
        # Text stays text in an SVG, so that it can be searched and a browser may help with fonts;
        # a PDF embeds TrueType fonts (42), which publishers ask for.
        settings = {"svg.hashsalt": "nmt", "svg.fonttype": "none", "pdf.fonttype": 42}
        with matplotlib.rc_context(settings), quiet_fonts():
            dpi = self._dpi_within_bounds()
            self.savefig(buffer, format=suffix[1:], dpi=dpi, metadata=_METADATA[suffix])
        content = buffer.getvalue()
        return _FAMILIES.sub(_FOR_BROWSERS, content) if suffix == ".svg" else content

    def _dpi_within_bounds(self) -> float:
        width, height = self.get_size_inches()
        return min(self.dpi, _MAX_PIXELS / max(width, height), (_MAX_AREA / width / height) ** 0.5)

    def _repr_png_(self) -> bytes:
        return self.render(".png")


def check_picture_path(
    path: str | os.PathLike, wanted: str = "a picture is written as .png, .svg or .pdf"
) -> Path:
    """The path, if its suffix names a format that we write; to be asked before long work.

    Args:
      path: of a picture.
      wanted: what the message says.
    Raises:
      DataError: the suffix is another, or none.
    """
    path = Path(path)
    if path.suffix.lower() not in _METADATA:
        raise DataError(f"{wanted}; got {str(path)!r}, with the suffix {path.suffix!r}")
    return path


def printable(text: str) -> str:
    """The text with U+FFFD for what no file may hold: controls, lone surrogates, unassigned."""
    bad = ("Cc", "Cs", "Cn")
    return "".join("\ufffd" if unicodedata.category(char) in bad else char for char in text)
