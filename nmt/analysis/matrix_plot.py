"""Alignment matrices as pictures: figure 3 of Bahdanau et al. (2015), as PNG, SVG or PDF."""

from os import PathLike

import numpy as np

from nmt.analysis.alignment import Alignment
from nmt.analysis.figures import Picture, check_picture_path, font_families, printable, quiet_fonts
from nmt.errors import DataError

# Cells keep their size, so the picture grows with the sentence and its words stay as legible.
_CELL = 0.24  # inches
_FONT_SIZE = 10  # points; a line of text is then 0.17 inches, less than a cell
_EDGE = 0.08  # inches of white around everything


def plot_alignment(
    alignment: Alignment,
    path: str | PathLike | None = None,
    *,
    title: str | None = None,
    eos: bool = False,
) -> Picture:
    """Draws an alignment in grey, 0 black to 1 white: source words on top, target words at left.

    Args:
      alignment: between words.
      path: where to write it, as the suffix says: .png, .svg or .pdf. None writes nothing.
      title: a line above the picture.
      eos: shows the mass on the source's EOS as one more column, set apart.
    Returns:
      The matplotlib figure; as the last line of a notebook's cell it shows itself.
    Raises:
      DataError: one of the sides has no words; another suffix; a file that cannot be written.
    """
    if path is not None:
        check_picture_path(path)
    if not alignment.matrix.size:
        raise DataError(
            "an alignment picture wants at least one word on each side; got "
            f"{len(alignment.source_words)} source and {len(alignment.target_words)} target words"
        )
    picture = _draw(alignment, title, eos)
    if path is not None:
        picture.save(path)
    return picture


def png(alignment: Alignment, *, title: str | None = None, eos: bool = False) -> bytes:
    """The picture of `plot_alignment` as the bytes of a PNG file."""
    return plot_alignment(alignment, title=title, eos=eos).render(".png")


def _draw(alignment: Alignment, title: str | None, eos: bool) -> Picture:
    """The matrix with its words, in a figure of just their size."""
    matrix, title = alignment.matrix, title and printable(title)
    rows = [printable(word) for word in alignment.target_words]
    columns = [printable(word) for word in alignment.source_words]
    if eos:
        matrix = np.concatenate([matrix, alignment.eos[:, None]], axis=1)
        columns.append("EOS")
    num_rows, num_columns = matrix.shape
    picture = Picture(num_columns * _CELL, num_rows * _CELL)
    axes = picture.add_axes((0, 0, 1, 1))
    # Rectangles, not an image: a viewer of the PDF or SVG must not blur them into each other. The
    # faint lines lead the eye from a cell to its words in long sentences.
    axes.pcolormesh(matrix, cmap="gray", vmin=0, vmax=1, edgecolors="0.25", linewidth=0.3)
    axes.invert_yaxis()
    if eos:
        axes.axvline(num_columns - 1, color="tab:red", linewidth=1)

    families = font_families([*columns, *rows, title or ""])
    # parse_math=False: a word may hold dollar signs, and is no formula for it.
    style = {"fontfamily": families, "fontsize": _FONT_SIZE, "parse_math": False}
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(num_columns) + 0.5, columns, rotation=90, **style)
    axes.set_yticks(np.arange(num_rows) + 0.5, rows, **style)
    axes.tick_params(length=2, width=0.5, pad=2)
    if title:
        axes.set_title(title, **(style | {"fontsize": _FONT_SIZE + 1}), pad=8)
    _fit(picture, axes)
    return picture


def _fit(picture: Picture, axes) -> None:
    """Enlarges the figure until every label is inside it; the cells keep their size."""
    cells_width, cells_height = picture.get_size_inches()
    with quiet_fonts():
        box = axes.get_tightbbox(picture.canvas.get_renderer())
    left, bottom = _EDGE - box.x0 / picture.dpi, _EDGE - box.y0 / picture.dpi
    width, height = box.width / picture.dpi + 2 * _EDGE, box.height / picture.dpi + 2 * _EDGE
    picture.set_size_inches(width, height)
    axes.set_position((left / width, bottom / height, cells_width / width, cells_height / height))
