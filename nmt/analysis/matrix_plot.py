"""Alignment matrices as pictures: figure 3 of Bahdanau et al. (2015), as PNG, SVG or PDF."""

from collections.abc import Iterable, Mapping
from os import PathLike

from nmt.analysis.aer import alignment_scores
from nmt.analysis.alignment import Alignment
from nmt.analysis.figures import Picture, check_picture_path
from nmt.analysis.matrix_panel import CAPTION_SIZE, MatrixPanel, cell_size, legend_handles
from nmt.analysis.panel_layout import arrange, new_picture
from nmt.analysis.pharaoh import GoldLinks, Link
from nmt.errors import DataError


def plot_alignment(
    alignment: Alignment,
    path: str | PathLike | None = None,
    *,
    title: str | None = None,
    eos: bool = False,
    gold: GoldLinks | None = None,
    links: Iterable[Link] | None = None,
) -> Picture:
    """Draws an alignment in grey, 0 black to 1 white: source words on top, target words at left.

    Args:
      alignment: between words.
      path: where to write it, as the suffix says: .png, .svg or .pdf. None writes nothing.
      title: a line above the picture.
      eos: shows the mass on the source's EOS as one more column, set apart.
      gold: links made by people, drawn as frames: sure ones with a line, possible ones dashed.
      links: hard links, such as `alignment.links()`, drawn as dots.
    Returns:
      The matplotlib figure; as the last line of a notebook's cell it shows itself.
    Raises:
      DataError: one of the sides has no words; a link to a word that is not there; another suffix;
        a file that cannot be written.
    """
    if path is not None:
        check_picture_path(path)
    picture = new_picture()
    panel = _panel(picture, alignment, eos, gold)
    panel.draw_target_words(alignment.target_words)
    if links is not None:
        panel.draw_links(links)
    if title:
        panel.draw_title(title)
    handles = legend_handles(gold, links=links is not None)
    arrange(picture, [[panel]], legend=handles)
    if path is not None:
        picture.save(path)
    return picture


def png(alignment: Alignment, *, title: str | None = None, eos: bool = False) -> bytes:
    """The picture of `plot_alignment` as the bytes of a PNG file."""
    return plot_alignment(alignment, title=title, eos=eos).render(".png")


def plot_side_by_side(
    alignments: Mapping[str, Alignment],
    path: str | PathLike | None = None,
    *,
    title: str | None = None,
    eos: bool = False,
    gold: GoldLinks | None = None,
    links: bool = False,
) -> Picture:
    """Draws alignments of one sentence by several models or methods, from left to right.

    Args:
      alignments: by what stands above each. Where all have the same target words, these stand once,
        at the left.
      path, title, eos: as in `plot_alignment`.
      gold: links made by people, drawn in; below each matrix then stands its AER.
      links: whether to draw the links of each as dots.
    Returns:
      The matplotlib figure.
    Raises:
      DataError: as `plot_alignment`; no alignments.
    """
    if path is not None:
        check_picture_path(path)
    if not alignments:
        raise DataError("alignments to draw side by side are wanted; got none")
    picture, panels = new_picture(), []
    first = next(iter(alignments.values()))
    same_words = all(a.target_words == first.target_words for a in alignments.values())
    for name, alignment in alignments.items():
        panel = _panel(picture, alignment, eos, gold)
        panel.draw_title(name)
        if not (panels and same_words):
            panel.draw_target_words(alignment.target_words)
        if links:
            panel.draw_links(alignment.links())
        if gold is not None:
            panel.draw_caption(aer_caption(alignment, gold), CAPTION_SIZE)
        panels.append(panel)
    arrange(picture, [panels], title=title, legend=legend_handles(gold, links=links))
    if path is not None:
        picture.save(path)
    return picture


def aer_caption(alignment: Alignment, gold: GoldLinks) -> str:
    """How good an alignment's links are, to stand below it."""
    return f"AER {alignment_scores([alignment.links()], [gold]).aer:.0%}"


def check_words(alignment: Alignment) -> None:
    """Raises DataError where there is nothing to draw."""
    if not alignment.matrix.size:
        raise DataError(
            "an alignment picture wants at least one word on each side; got "
            f"{len(alignment.source_words)} source and {len(alignment.target_words)} target words"
        )


def _panel(
    picture: Picture, alignment: Alignment, eos: bool, gold: GoldLinks | None
) -> MatrixPanel:
    """The matrix with its source words."""
    check_words(alignment)
    cell = cell_size(*alignment.matrix.shape)
    panel = MatrixPanel(picture, alignment.matrix, alignment.eos if eos else None, cell)
    panel.draw_source_words(alignment.source_words)
    if gold is not None:
        panel.draw_gold(gold)
    return panel
