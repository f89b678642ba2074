"""Matrices side by side and below one another, in a figure of just the size that they take."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist

from nmt.analysis.figures import Picture, printable
from nmt.analysis.fonts import quiet_fonts
from nmt.analysis.matrix_panel import FONT_SIZE, MatrixPanel, text_style

_EDGE = 0.08  # inches of white around everything
_GAP = 0.14  # inches between panels
_LEGEND_SIZE = FONT_SIZE - 2  # points


def new_picture() -> Picture:
    """An empty figure for panels, of one inch: measuring texts wants no room, and large is slow."""
    return Picture(1, 1)


def arrange(
    picture: Picture,
    panels: Sequence[Sequence[MatrixPanel]],
    *,
    title: str | None = None,
    legend: Sequence[Artist] = (),
) -> None:
    """Enlarges a figure until its panels and all their labels are inside; cells keep their size.

    Args:
      picture: of `new_picture`, with the panels in it.
      panels: row by row, the same number in each. The first cells of a row are on one line, those
        of a column as well.
      title: a line above everything.
      legend: marks to be explained, below everything.
    """
    margins = np.array([[_margins(picture, panel) for panel in row] for row in panels])
    left, bottom, right, top = margins.transpose(2, 0, 1)  # each (rows, columns)
    widths = np.array([[panel.width for panel in row] for row in panels])
    heights = np.array([[panel.height for panel in row] for row in panels])
    before, after = left.max(axis=0), (right + widths).max(axis=0)  # of the first cell's left
    above, below = top.max(axis=1), (bottom + heights).max(axis=1)  # of the first cell's top

    inside = (before + after).sum() + _GAP * (len(before) - 1)
    title_width, title_height = _draw_title(picture, title) if title else (0, 0)
    legend_width, legend_height = _draw_legend(picture, legend) if legend else (0, 0)
    width = max(inside, title_width, legend_width) + 2 * _EDGE
    panels_height = (above + below).sum() + _GAP * (len(above) - 1)
    height = title_height + panels_height + legend_height + 2 * _EDGE

    first = (width - inside) / 2
    xs = first + np.cumsum(before + after + _GAP) - (after + _GAP)
    ys = _EDGE + title_height + np.cumsum(above + below + _GAP) - (below + _GAP)
    picture.resize(width, height)
    for row, y in zip(panels, ys, strict=True):
        for panel, x in zip(row, xs, strict=True):
            low = height - y - panel.height
            size = panel.width / width, panel.height / height
            panel.axes.set_position((x / width, low / height, *size))
    for text in picture.texts:
        text.set_position((0.5, 1 - _EDGE / height))
    for box in picture.legends:  # below the first cells, or where it is too wide to the left
        x = max(_EDGE, min(xs[0], width - _EDGE - legend_width))
        box.set_bbox_to_anchor((x / width, _EDGE / height))


def _margins(picture: Picture, panel: MatrixPanel) -> tuple[float, float, float, float]:
    """How far labels reach beyond the cells: left, bottom, right, top, in inches."""
    with quiet_fonts():
        box = panel.axes.get_tightbbox(picture.canvas.get_renderer())
    cells = panel.axes.get_window_extent()
    beyond = cells.x0 - box.x0, cells.y0 - box.y0, box.x1 - cells.x1, box.y1 - cells.y1
    left, bottom, right, top = (max(0.0, pixels) / picture.dpi for pixels in beyond)
    return left, bottom, right, top


def _draw_title(picture: Picture, title: str) -> tuple[float, float]:
    """The title's width, and its height with the white below it, in inches."""
    style = text_style([title], FONT_SIZE + 2)
    text = picture.text(0.5, 1, printable(title), ha="center", va="top", **style)
    return _size(picture, text)


def _draw_legend(picture: Picture, handles: Sequence[Artist]) -> tuple[float, float]:
    """The legend's width, and its height with the white above it, in inches."""
    legend = picture.legend(
        handles=list(handles),
        loc="lower left",
        ncols=len(handles),
        frameon=False,
        fontsize=_LEGEND_SIZE,
        handlelength=1,
        handleheight=1,
        handletextpad=0.5,
        columnspacing=1.5,
        borderpad=0,
        borderaxespad=0,
    )
    return _size(picture, legend)


def _size(picture: Picture, artist: Artist) -> tuple[float, float]:
    """An artist's width, and its height with white beside it, in inches."""
    width, height = picture.size_of(artist)
    return width, height + _GAP
