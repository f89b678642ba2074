"""A document of headings, text, tables and pictures, as Markdown and as one page of HTML.

The page needs no server and no network: its pictures are in it. Markdown names their files.
"""

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
td { white-space: nowrap; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #ccc; text-align: right; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #333; vertical-align: bottom; }
figure { display: inline-block; margin: 1rem 1rem 1rem 0; vertical-align: top; max-width: 100%; }
img { max-width: 100%; }
figcaption { color: #555; max-width: 40rem; }
"""
_MARKUP = re.compile(r"([\\`*_\[\]<>|#])")


class Heading(NamedTuple):
    """A line above a section; level 1 is the title."""

    text: str
    level: int = 2


class Text(NamedTuple):
    """A paragraph."""

    text: str


class Points(NamedTuple):
    """A list."""

    items: Sequence[str]


class Table(NamedTuple):
    """Rows of as many cells as the head has, in the first column names, in the others numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Shown(NamedTuple):
    """A picture: a PNG file in the document's folder, with a text below it."""

    file: str
    caption: str


Block = Heading | Text | Points | Table | Shown


def to_markdown(blocks: Sequence[Block]) -> str:
    """The document as Markdown."""
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def to_html(blocks: Sequence[Block], folder: Path) -> str:
    """The document as a page; its title is the text of the first block, a heading.

    Args:
      blocks: of the document.
      folder: that has the pictures.
    """
    body = "\n".join(_html(block, folder) for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(blocks[0].text)}</title><style>{STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_plain(text)}"
        case Text(text):
            return _plain(text)
        case Points(items):
            return "\n".join(f"- {_plain(item)}" for item in items)
        case Table(head, rows):
            rule = ["---", *["---:"] * (len(head) - 1)]
            lines = [list(map(_plain, head)), rule, *(list(map(_plain, row)) for row in rows)]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Shown(file, caption):
            return f"![{_plain(caption)}]({file})\n\n{_plain(caption)}"


def _html(block: Block, folder: Path) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Text(text):
            return f"<p>{html.escape(text)}</p>"
        case Points(items):
            return f"<ul>{''.join(f'<li>{html.escape(item)}</li>' for item in items)}</ul>"
        case Table(head, rows):
            body = "\n".join(_html_row(row, "td") for row in rows)
            return f"<table><thead>{_html_row(head, 'th')}</thead>\n<tbody>{body}</tbody></table>"
        case Shown(file, caption):
            data = base64.b64encode((folder / file).read_bytes()).decode()
            text = html.escape(caption)
            image = f'<img alt="{text}" src="data:image/png;base64,{data}">'
            return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


def _html_row(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
