"""Alignment matrices as a page to look into: one file of HTML that needs no server and no network.

Hovering a cell shows its words and its weight; layer, head and threshold have sliders. The page is
`matrix_view/view.html` with the style, the script and the data put in.

Words are data of unknown origin. They reach the page as JSON without a '<', the script sets them
as text, and the page's policy runs this one script, known by its hash, and lets nothing be loaded.
"""

import base64
import hashlib
import html
import json
import os
import unicodedata
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from nmt.analysis.alignment import Alignment
from nmt.analysis.pharaoh import GoldLinks, check_links
from nmt.analysis.whole_file import write_whole
from nmt.errors import DataError

Json = dict[str, object]  # what json.dumps writes as an object
_CELL, _EM = 26, 14  # pixels of a cell and of a letter's height, as in view.css
_LONGEST_LABEL = 11  # letter heights
_MAX_FRAME = 900  # pixels; what is longer scrolls within its frame


def alignment_html(
    alignment: Alignment, *, gold: GoldLinks | None = None, title: str | None = None
) -> str:
    """One alignment as a page.

    Args:
      alignment: with `heads`, the page has sliders for layer and head.
      gold: links that people made, to be drawn over the cells: sure ones solid, possible dashed.
      title: a line above the matrix.
    Returns:
      The text of an HTML file.
    Raises:
      DataError: a gold link to a word that is not there.
    """
    return _page([_shown(alignment, "", gold, "gold")], title)


def alignments_html(
    alignments: Sequence[Alignment],
    titles: Sequence[str] | None = None,
    *,
    gold: Sequence[GoldLinks] | None = None,
    title: str | None = None,
) -> str:
    """Several alignments as one page, which shows one at a time, to be leafed through and searched.

    Args:
      alignments: one or more, in the order of the page.
      titles: of each, for the list; None takes the source words.
      gold: of each; see `alignment_html`.
      title: of the page.
    Returns:
      The text of an HTML file.
    Raises:
      DataError: no alignments; titles or gold of another number; a gold link to a word that is not
        there.
    """
    if not alignments:
        raise DataError("a page of alignments wants one at least; got none")
    for name, given in (("titles", titles), ("gold", gold)):
        if given is not None and len(given) != len(alignments):
            raise DataError(
                f"a page of {len(alignments)} alignments wants as many {name}; got {len(given)}"
            )
    shown = []
    for number, alignment in enumerate(alignments):
        name = " ".join(alignment.source_words) if titles is None else titles[number]
        links = None if gold is None else gold[number]
        shown.append(_shown(alignment, name, links, f"gold of alignment {number + 1}"))
    return _page(shown, title)


def save_page(page: str, path: str | os.PathLike) -> None:
    """Writes a page as .html: whole, or not at all, replacing what was there.

    Raises:
      DataError: another suffix, or a place that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise DataError(f"an alignment page is written as .html; got {str(path)!r}")
    write_whole(path, page.encode("utf-8"), "page")


def notebook_html(alignment: Alignment, png: bytes) -> str:
    """The page in a frame, above the picture: what a notebook shows in its output.

    Notebooks choose text/html before image/png, and those that trust nobody (GitHub, an unsigned
    notebook in JupyterLab) then cut frames and scripts out of it. So the picture is in the HTML
    too. It lies beneath the frame, which is transparent until the script in it has run: a viewer
    that cuts out the frame, its script, or nothing shows one of the two.

    Args:
      alignment: between words.
      png: its picture.
    """
    page = _page([_shown(alignment, "", None, "gold")], None, kind="framed")
    height = _frame_height(alignment)
    picture = base64.b64encode(png).decode("ascii")
    return (
        '<div style="display:grid">'
        f'<img alt="alignment" src="data:image/png;base64,{picture}" '
        f'style="grid-area:1/1;max-width:100%;max-height:{height}px">'
        f'<iframe title="alignment" sandbox="allow-scripts" srcdoc="{html.escape(page)}" '
        f'style="grid-area:1/1;width:100%;height:{height}px;border:0"></iframe></div>'
    )


def _page(alignments: list[Json], title: str | None, kind: str = "whole") -> str:
    """view.html with everything put in; kind is the class of its root: 'whole' or 'framed'."""
    view = resources.files("nmt.analysis") / "matrix_view"
    read = {name: (view / f"view.{name}").read_text("utf-8") for name in ("html", "css", "js")}
    # ASCII, so that a lone surrogate can be written too; U+003C, so that no tag begins or ends.
    data = json.dumps({"title": title, "alignments": alignments}, separators=(",", ":"))
    return Template(read["html"]).substitute(
        kind=kind,
        policy="default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src {_hash(read['css'])}; script-src {_hash(read['js'])}",
        style=read["css"],
        script=read["js"],
        data=data.replace("<", "\\u003c"),
    )


def _hash(text: str) -> str:
    """How a content security policy names the one text that it lets in."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _shown(alignment: Alignment, title: str, gold: GoldLinks | None, place: str) -> Json:
    """What the script needs of an alignment."""
    links = None
    if gold is not None:
        words = len(alignment.source_words), len(alignment.target_words)
        check_links(sorted(gold.possible), *words, place)
        links = {"sure": sorted(gold.sure), "possible": sorted(gold.possible)}
    layers, start = _layers(alignment)
    return {
        "title": title,
        "source": list(alignment.source_words),
        "target": list(alignment.target_words),
        "gold": links,
        "layers": layers,
        "start": start,
    }


def _layers(alignment: Alignment) -> tuple[list[Json], list[int]]:
    """The stops of the sliders, and those of the alignment itself.

    Each layer has its heads and, where there are several, their mean. An alignment that is none of
    these (made by another method, say) is a stop of its own before the first layer.
    """
    layers, start = [], None
    num_layers, num_heads = (0, 0) if alignment.heads is None else alignment.heads.eos.shape[:2]
    for layer in range(num_layers):
        names = [*range(num_heads), *([None] if num_heads > 1 else [])]
        heads = [alignment.head(layer, name) for name in names]
        same = [np.allclose(alignment.matrix, head.matrix, atol=1e-5) for head in heads]
        if start is None and any(same):
            start = [layer, same.index(True)]
        views = [
            _view("mean" if name is None else str(name), head)
            for name, head in zip(names, heads, strict=True)
        ]
        layers.append({"name": str(layer), "heads": views})
    if start is None:
        start = [0, 0]
        layers.insert(0, {"name": "own", "heads": [_view("own", alignment)]})
    return layers, start


def _view(name: str, alignment: Alignment) -> Json:
    """One matrix, EOS as its last column, with the source word that each row is linked to."""
    links = [-1] * len(alignment.target_words)
    for source, target in alignment.links():
        links[target] = source
    weights = np.concatenate([alignment.matrix, alignment.eos[:, None]], axis=1)
    return {"name": name, "weights": np.nan_to_num(weights).round(4).tolist(), "links": links}


def _frame_height(alignment: Alignment) -> int:
    """Pixels that the page needs: a frame cannot grow by itself."""
    longest = max((_width(word) for word in alignment.source_words), default=0)
    label = min(longest, _LONGEST_LABEL) * _EM + 10
    top = 24 if label <= _CELL else (label + 22) * 0.71  # upright, or leaning by 45 degrees
    has_sliders = alignment.heads is not None and max(alignment.heads.eos.shape[:2]) > 1
    controls = 84 if has_sliders else 48
    return min(int(controls + top + len(alignment.target_words) * _CELL + 64), _MAX_FRAME)


def _width(word: str) -> float:
    """About how long a word is, in letter heights."""
    return sum(1.0 if unicodedata.east_asian_width(char) in "WF" else 0.56 for char in word)
