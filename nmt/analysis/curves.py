"""Learning curves of one run or several, and BLEU against the length of sentences.

from nmt.analysis.records import read_records

curves = [curve(read_records(path), "step", "loss", name=path.parent.name) for path in paths]
plot_curves(curves, "loss.svg", x_label="step", y_label="loss")
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

from nmt.analysis.by_length import LengthBucket
from nmt.analysis.figures import Picture, check_picture_path, printable
from nmt.analysis.fonts import font_families
from nmt.analysis.records import Record
from nmt.analysis.significance import Resampled
from nmt.errors import DataError

_WIDTH, _HEIGHT = 6.4, 4.0  # inches
_BUCKET_WIDTH = 0.95  # inches, for its label
_MARKED = 40  # a curve of more points is a line alone
_COLOURS = 10  # curves of different colours; those after them are dashed
_HANDLE, _MARGINS = 0.6, 0.4  # inches: of a legend beside its names, and beside a title
_MOST_WITHIN = 6  # names in a legend among the curves; of more it stands beside them


@dataclass(frozen=True)
class Curve:
    """One line of a plot.

    Attributes:
      name: for the legend.
      x, y: as many of the one as of the other.
      band: the lower and the upper bounds of y, as many again; None for no band.
    """

    name: str
    x: list[float]
    y: list[float]
    band: tuple[list[float], list[float]] | None = None


def curve(records: Iterable[Record], x: str, y: str, *, name: str, x_unit: float = 1.0) -> Curve:
    """The curve of one field against another.

    Args:
      records: of a run, as `read_records` gives them. Those without both fields, or with a value
        that is not finite, are passed over: a run logs its loss more often than its BLEU.
      x, y: the fields' names, such as "step" and "loss".
      name: for the legend.
      x_unit: what to divide x by; 60 makes minutes of seconds.
    """
    points = [
        (float(record[x]) / x_unit, float(record[y]))
        for record in records
        if _is_number(record.get(x)) and _is_number(record.get(y))
    ]
    return Curve(name, [x for x, _ in points], [y for _, y in points])


def plot_curves(
    curves: Sequence[Curve],
    path: str | PathLike | None = None,
    *,
    x_label: str,
    y_label: str,
    title: str | None = None,
    logarithmic: bool = False,
) -> Picture:
    """Draws curves over one another: loss by step, BLEU by minutes, of several runs.

    Args:
      curves: at least one with a point.
      path: where to write it, as the suffix says: .png, .svg or .pdf. None writes nothing.
      x_label, y_label: of the axes.
      title: a line above.
      logarithmic: the y axis, as suits a perplexity.
    Returns:
      The matplotlib figure.
    Raises:
      DataError: nothing to draw; another suffix; a file that cannot be written.
    """
    if path is not None:
        check_picture_path(path)
    drawn = [line for line in curves if line.x]
    if not drawn:
        names = ", ".join(repr(line.name) for line in curves) or "no curves given"
        raise DataError(f"no points of {y_label} by {x_label} to draw ({names})")
    picture, axes = _axes(x_label, y_label, title, [line.name for line in drawn])
    for number, line in enumerate(drawn):
        marker = "o" if len(line.x) <= _MARKED else None
        axes.plot(line.x, line.y, marker=marker, markersize=3, **_style(number))
        if line.band is not None:
            colour = axes.lines[-1].get_color()
            axes.fill_between(line.x, *line.band, color=colour, alpha=0.15, linewidth=0)
    if logarithmic:
        axes.set_yscale("log")
    return _finish(picture, axes, [line.name for line in drawn], path)


def plot_bleu_by_length(
    systems: Mapping[str, Sequence[LengthBucket]],
    path: str | PathLike | None = None,
    *,
    tokenized_lowercase: bool = False,
    unit: str = "words",
    title: str | None = None,
    bands: Mapping[str, Sequence[Resampled | None]] | None = None,
) -> Picture:
    """BLEU against source length, a line a system: figure 2 of Bahdanau et al. (2015).

    Args:
      systems: by name, the buckets of `scores_by_length` over the same sources and edges.
      path: where to write it, as the suffix says: .png, .svg or .pdf. None writes nothing.
      tokenized_lowercase: draws `bleu_tokenized_lowercase` instead of `bleu`.
      unit: what the lengths count.
      title: a line above.
      bands: by name, of the same buckets, what resampling says of the BLEU drawn, such as
        `nmt.analysis.length_bands.bleu_bands`: its 95 % confidence interval is shaded.
    Returns:
      The matplotlib figure. Under each bucket stands how many sentences it has; those of too few
      have no point, since their BLEU is noise and would draw a spike.
    Raises:
      DataError: no system, or buckets that differ between systems; another suffix; a file that
        cannot be written.
    """
    if path is not None:
        check_picture_path(path)
    kinds = {tuple((b.lower, b.upper, b.count) for b in buckets) for buckets in systems.values()}
    if len(kinds) != 1:
        raise DataError(
            "systems compared by length want the same sentences in the same buckets; got "
            f"{len(kinds)} kinds of buckets in {len(systems)} systems"
        )
    y_label = "BLEU, tokenised lowercased" if tokenized_lowercase else "BLEU"
    names = list(systems)
    num_buckets = len(next(iter(systems.values())))
    width = max(_WIDTH, _BUCKET_WIDTH * num_buckets)
    picture, axes = _axes(f"source {unit} (sentences)", y_label, title, names, width)
    for number, (name, buckets) in enumerate(systems.items()):
        bleu = [b.bleu_tokenized_lowercase if tokenized_lowercase else b.bleu for b in buckets]
        shown = [math.nan if b.is_small else y for b, y in zip(buckets, bleu, strict=True)]
        (line,) = axes.plot(range(len(shown)), shown, marker="o", markersize=4, **_style(number))
        if bands is not None:
            lower, upper = zip(*map(_interval, bands[name]), strict=True)
            places, colour = range(len(shown)), line.get_color()
            axes.fill_between(places, lower, upper, color=colour, alpha=0.15, linewidth=0)
            # a bucket between gaps has no shade
            axes.vlines(places, lower, upper, color=colour, alpha=0.4, linewidth=1)
    buckets = next(iter(systems.values()))
    axes.set_xticks(range(len(buckets)), [f"{b.label}\n({_shown(b)})" for b in buckets])
    axes.set_xlim(-0.3, num_buckets - 0.7)  # a gap at an end has its place too
    # With zero among what is drawn, the room above the highest point is a share of the whole axis.
    axes.update_datalim([(0, 0)])
    axes.autoscale_view(scalex=False)
    axes.set_ylim(bottom=0)
    return _finish(picture, axes, names, path)


def _style(number: int) -> dict[str, object]:
    """How a line is drawn: one of the first differs from the others in its colour."""
    return {"linewidth": 1.4, "linestyle": "-" if number < _COLOURS else "--"}


def _interval(band: Resampled | None) -> tuple[float, float]:
    """The ends of a confidence interval; a gap where there is none."""
    if band is None:
        return math.nan, math.nan
    return band.mean - band.interval, band.mean + band.interval


def _shown(bucket: LengthBucket) -> str:
    """How many sentences a bucket has, and why it may have no point."""
    if not bucket.count:
        return "none"
    return f"{bucket.count}: too few" if bucket.is_small else str(bucket.count)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _axes(x_label: str, y_label: str, title: str | None, names: Iterable[str], width=_WIDTH):
    """An empty figure with its labels; names are those that the legend will hold."""
    picture = Picture(width, _HEIGHT)
    picture.set_layout_engine("constrained")
    axes = picture.add_subplot()
    (x_label, y_label, title, *_), style = _drawable([x_label, y_label, title or "", *names])
    axes.set_xlabel(x_label, **style)
    axes.set_ylabel(y_label, **style)
    if title:
        axes.set_title(title, **style)
    axes.grid(linewidth=0.4, color="0.85")
    axes.spines[["top", "right"]].set_visible(False)
    return picture, axes


def _finish(picture: Picture, axes, names: Sequence[str], path: str | PathLike | None) -> Picture:
    """Adds the legend, a name for each line, makes room for it, and writes the file."""
    drawable, style = _drawable(names)
    width, height = picture.get_size_inches()
    widest = max(_inches(picture, name, style) for name in drawable) + _HANDLE
    beside = {}
    if len(names) > _MOST_WITHIN or widest > width / 2:
        beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
        width += widest
    title = axes.get_title()
    of_title = _drawable([title])[1] | {"fontsize": axes.title.get_fontsize()}
    title_width = _inches(picture, title, of_title) + _MARGINS
    if title_width > _WIDTH:  # it may stand above the legend, too
        axes.set_title("")
        picture.suptitle(title, **of_title)
    picture.resize(max(width, title_width), height)
    # A label that begins with "_" would be left out: the names are put in afterwards.
    legend = axes.legend(axes.lines, list(map(str, range(len(names)))), frameon=False, **beside)
    for text, name in zip(legend.get_texts(), drawable, strict=True):
        text.set(text=name, **style)
    if path is not None:
        picture.save(path)
    return picture


def _inches(picture: Picture, text: str, style: Mapping[str, object]) -> float:
    """How wide a text is."""
    artist = picture.text(0, 0, text, **style)
    width, _ = picture.size_of(artist)
    artist.remove()
    return width


def _drawable(texts: Iterable[str]) -> tuple[list[str], dict[str, object]]:
    """Texts as every format can hold them, and what matplotlib is to be told of them."""
    texts = list(map(printable, texts))
    return texts, {"fontfamily": font_families(texts), "parse_math": False}
