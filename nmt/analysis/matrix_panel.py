"""One alignment matrix within a figure: its cells in grey, its words, and links drawn in."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import PatchCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch, Rectangle

from nmt.analysis.figures import Picture, printable
from nmt.analysis.fonts import font_families
from nmt.analysis.pharaoh import GoldLinks, Link, check_links

# Cells keep their size, so the picture grows with the sentence and its words stay as legible.
CELL = 0.24  # inches
FONT_SIZE = 10  # points; a line of text is then 0.17 inches, less than a cell
CAPTION_SIZE = 7.5  # points
_LONGEST = 190  # inches; readers of PDF show no page of more than 200
_LEGIBLE = 4.5  # points; words in a smaller font are left out
_MOST_RECTANGLES = 10_000  # of an SVG or PDF; more take browsers and readers seconds to draw
_EOS_GAP = 0.3  # cells between the words and EOS
# Dark red and dark blue, which differ for any colour vision, as do their shapes. They show on light
# greys and the white line under them on dark ones: whatever the grey, one has a contrast of 3 to 1.
_GOLD_COLOR, _LINK_COLOR, _CASING_COLOR = "#8F1800", "#004A80", "white"
_DASHES = (0, (2.2, 1.3))


def cell_size(num_rows: int, num_columns: int) -> float:
    """The side of a cell in inches, which shrinks only where the picture would be a wall."""
    return min(CELL, _LONGEST / max(num_rows, num_columns))


class MatrixPanel:
    """A matrix (target words, source words), drawn into axes of its own.

    Attributes:
      axes: of matplotlib; a cell is 1 wide and 1 high, the first at (0, 0), y running down.
      width, height: of all cells, in inches.
    """

    def __init__(self, picture: Picture, matrix: np.ndarray, eos: np.ndarray | None, cell: float):
        """Draws the cells; words and links are to be asked for.

        Args:
          picture: where it goes; `nmt.analysis.panel_layout.arrange` says where in it.
          matrix: (T words, S words), drawn from 0, black, to 1, white.
          eos: (T words,), shown as one more column, set apart; None shows none.
          cell: the side of a cell in inches.
        """
        self.num_rows, self.num_columns = matrix.shape
        self._eos, self._cell = eos, cell
        columns = self.num_columns + (0 if eos is None else _EOS_GAP + 1)
        self.width, self.height = columns * cell, self.num_rows * cell
        width, height = self.width / picture.get_figwidth(), self.height / picture.get_figheight()
        self.axes = picture.add_axes((0, 0, width, height), xlim=(0, columns), frame_on=False)
        self.axes.set_ylim(self.num_rows, 0)
        self.axes.set(xticks=[], yticks=[])
        self._draw_cells(matrix, 0)
        if eos is not None:
            self._draw_cells(eos[:, None], self.num_columns + _EOS_GAP)

    @property
    def font_size(self) -> float:
        """Of words that fit beside a cell, in points."""
        return FONT_SIZE * self._cell / CELL

    @property
    def words_are_legible(self) -> bool:
        """Whether there is room for them."""
        return self.font_size >= _LEGIBLE

    def draw_source_words(self, words: Sequence[str]) -> None:
        """Words on top, one for each column: running up, but lone characters stand upright."""
        ticks, words = np.arange(self.num_columns) + 0.5, [printable(word) for word in words]
        style = self._word_style(words) | {"rotation": 90 if max(map(len, words)) > 1 else 0}
        if self._eos is not None:
            ticks, words = np.append(ticks, self.num_columns + _EOS_GAP + 0.5), [*words, "EOS"]
        self.axes.xaxis.tick_top()
        self.axes.set_xticks(ticks, words, **style)
        if self._eos is not None:
            self.axes.get_xticklabels()[-1].set_rotation(90)
        self._style_ticks()

    def draw_target_words(self, words: Sequence[str]) -> None:
        """Words at the left, one for each row."""
        words = [printable(word) for word in words]
        self.axes.set_yticks(np.arange(self.num_rows) + 0.5, words, **self._word_style(words))
        self._style_ticks()

    def draw_title(self, title: str, font_size: float = FONT_SIZE + 1) -> None:
        """A line above the words."""
        self.axes.set_title(printable(title), pad=8, **text_style([title], font_size))

    def draw_row_title(self, title: str, font_size: float) -> None:
        """A line at the left of the words, running up."""
        self.axes.set_ylabel(printable(title), **text_style([title], font_size))

    def draw_caption(self, caption: str, font_size: float) -> None:
        """A line below the cells."""
        self.axes.set_xlabel(printable(caption), labelpad=2, **text_style([caption], font_size))

    def draw_gold(self, gold: GoldLinks) -> None:
        """Frames cells: sure links with a line, those that are only possible with a dashed one.

        Raises:
          DataError: a link to a word that is not there.
        """
        self._check(gold.possible, "gold links")
        for links, dashes in ((gold.possible - gold.sure, _DASHES), (gold.sure, "solid")):
            inset = 0.13
            frames = [
                Rectangle((source + inset, target + inset), 1 - 2 * inset, 1 - 2 * inset)
                for source, target in sorted(links)
            ]
            line = self._line_width
            casing = line + min(1.2, 7 * self._cell)  # points
            for color, width, style in (
                (_CASING_COLOR, casing, "solid"),
                (_GOLD_COLOR, line, dashes),
            ):
                self.axes.add_collection(
                    PatchCollection(
                        frames, facecolor="none", edgecolor=color, linewidth=width, linestyle=style
                    )
                )

    def draw_links(self, links: Iterable[Link]) -> None:
        """Puts a dot into each cell that is linked.

        Raises:
          DataError: a link to a word that is not there.
        """
        links = sorted(links)
        self._check(links, "links")
        dots = [Circle((source + 0.5, target + 0.5), 0.17) for source, target in links]
        style = {"facecolor": _LINK_COLOR, "edgecolor": _CASING_COLOR}
        self.axes.add_collection(PatchCollection(dots, linewidth=self._line_width / 2, **style))

    @property
    def _line_width(self) -> float:
        """Of a frame, in points."""
        return max(0.5, 1.6 * self._cell / CELL)

    def _draw_cells(self, matrix: np.ndarray, left: float) -> None:
        # Rectangles, not an image: a viewer of the PDF or SVG must not blur them into each other.
        # The faint lines lead the eye from a cell to its words in long sentences; between small
        # cells they would be most of the picture, and lines of the cells' own grey close the seams
        # that viewers leave.
        rows, columns = matrix.shape
        lines = ("0.25", 0.3) if self._cell >= CELL / 2 else ("face", 0.1)
        self.axes.pcolormesh(
            left + np.arange(columns + 1),
            np.arange(rows + 1),
            matrix,
            cmap="gray",
            vmin=0,
            vmax=1,
            edgecolors=lines[0],
            linewidth=lines[1],
            rasterized=matrix.size > _MOST_RECTANGLES or not self.words_are_legible,
        )
        outline = Rectangle((left, 0), columns, rows, fill=False, linewidth=0.8, clip_on=False)
        self.axes.add_patch(outline)  # a white cell at the border is no paper

    def _check(self, links: Iterable[Link], place: str) -> None:
        check_links(links, self.num_columns, self.num_rows, place)

    def _word_style(self, words: Sequence[str]) -> dict[str, object]:
        return text_style(words, self.font_size)

    def _style_ticks(self) -> None:
        self.axes.tick_params(length=2, width=0.5, pad=2)


def text_style(texts: Sequence[str], font_size: float) -> dict[str, object]:
    """What matplotlib is to be told of texts in one language."""
    families = font_families(map(printable, texts))
    # parse_math=False: a word may hold dollar signs, and is no formula for it.
    return {"fontfamily": families, "fontsize": font_size, "parse_math": False}


def legend_handles(gold: GoldLinks | None, *, links: bool) -> list[Artist]:
    """What a legend says of the marks that are drawn."""
    frame = {"facecolor": "none", "edgecolor": _GOLD_COLOR, "linewidth": 1.4}
    handles: list[Artist] = []
    if gold is not None:
        handles.append(Patch(label="gold, sure", **frame))
        if gold.possible > gold.sure:
            handles.append(Patch(label="gold, possible", linestyle=_DASHES, **frame))
    if links:
        dot = {"marker": "o", "markersize": 5, "linestyle": "none", "markeredgecolor": "white"}
        handles.append(Line2D([], [], label="link", color=_LINK_COLOR, **dot))
    return handles
