"""The alignments of all layers and heads of a model as small multiples: one row for each layer."""

from os import PathLike

import numpy as np

from nmt.analysis.alignment import Alignment
from nmt.analysis.figures import Picture, check_picture_path
from nmt.analysis.matrix_panel import CAPTION_SIZE, MatrixPanel, legend_handles
from nmt.analysis.matrix_plot import aer_caption, check_words
from nmt.analysis.panel_layout import arrange, new_picture
from nmt.analysis.pharaoh import GoldLinks
from nmt.errors import DataError

_PANEL = 2.0  # inches that the longer side of a matrix may take
_LARGEST_CELL, _SMALLEST_CELL = 0.15, 0.007  # inches; the smallest is a pixel of a PNG
_TITLE_SIZE = 9  # points


def plot_heads(
    alignment: Alignment,
    path: str | PathLike | None = None,
    *,
    title: str | None = None,
    eos: bool = False,
    gold: GoldLinks | None = None,
    links: bool = False,
) -> Picture:
    """Draws the alignment of every head, a layer in a row; words once, where they are legible.

    Args:
      alignment: with `heads`, as `Translator.align(..., heads=True)` gives it.
      path, title, eos: as in `nmt.analysis.matrix_plot.plot_alignment`.
      gold: links made by people, drawn in; below each matrix then stands its AER.
      links: whether to draw the links of each head as dots.
    Returns:
      The matplotlib figure.
    Raises:
      DataError: as `plot_alignment`; the alignment has no heads.
    """
    if path is not None:
        check_picture_path(path)
    if alignment.heads is None:
        raise DataError("the alignment has no heads to draw; ask for it with heads=True")
    check_words(alignment)
    num_layers, num_heads = alignment.heads.eos.shape[:2]
    heads = [[alignment.head(i, k) for k in range(num_heads)] for i in range(num_layers)]
    picture = new_picture()
    cell = float(np.clip(_PANEL / max(alignment.matrix.shape), _SMALLEST_CELL, _LARGEST_CELL))
    panels = [
        [MatrixPanel(picture, head.matrix, head.eos if eos else None, cell) for head in layer]
        for layer in heads
    ]
    for layer, row in enumerate(panels):
        row[0].draw_row_title(f"layer {layer}", _TITLE_SIZE)
        for number, panel in enumerate(row):
            if layer == 0:
                panel.draw_title(f"head {number}", _TITLE_SIZE)
            if gold is not None:
                panel.draw_caption(aer_caption(heads[layer][number], gold), CAPTION_SIZE)
                panel.draw_gold(gold)
            if links:
                panel.draw_links(heads[layer][number].links())
    _draw_words_at_the_edges(panels, alignment)
    handles = legend_handles(gold, links=links)
    arrange(picture, panels, title=title, legend=handles)
    if path is not None:
        picture.save(path)
    return picture


def _draw_words_at_the_edges(panels: list[list[MatrixPanel]], alignment: Alignment) -> None:
    """Source words above the first row and target words at the left of the first column."""
    if not panels[0][0].words_are_legible:
        return
    for panel in panels[0]:
        panel.draw_source_words(alignment.source_words)
    for row in panels:
        row[0].draw_target_words(alignment.target_words)
