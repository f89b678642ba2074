"""The same blocks as Markdown and as a page, whatever stands in their texts."""

import base64
import re
from html.parser import HTMLParser

from reproduction.document import Heading, Points, Shown, Table, Text, to_html, to_markdown

ODD = 'RNNsearch-50* <b>_x_</b> | a & "b"'


class Reader(HTMLParser):
    """The texts of a page by their tags, and its tags with attributes."""

    def __init__(self, page):
        super().__init__()
        self.open, self.texts, self.attributes = [], [], {}
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes[tag] = dict(attrs)
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1], data))


def test_texts_come_out_as_they_went_in(tmp_path):
    (tmp_path / "a.png").write_bytes(b"picture")
    blocks = [
        Heading(ODD, 1),
        Text(ODD),
        Points([ODD, "second"]),
        Table(["model", ODD], [[ODD, "1"], ["x", "2"]]),
        Shown("a.png", ODD),
    ]
    page = Reader(to_html(blocks, tmp_path))
    shown = [(tag, text) for tag, text in page.texts if tag != "style"]
    assert shown == [
        *((tag, ODD) for tag in ("title", "h1", "p", "li")),
        *(("li", "second"), ("th", "model"), ("th", ODD), ("td", ODD), ("td", "1")),
        *(("td", "x"), ("td", "2"), ("figcaption", ODD)),
    ]
    kind, data = page.attributes["img"]["src"].split(",")
    assert kind == "data:image/png;base64" and base64.b64decode(data) == b"picture"
    assert page.attributes["img"]["alt"] == ODD

    parts = to_markdown(blocks).rstrip("\n").split("\n\n")
    assert parts[0].startswith("# ") and parts[2].startswith("- ")
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in parts[3].split("\n")]
    assert [len(row) for row in rows] == [2, 2, 2, 2] and rows[1] == [" --- ", " ---: "]
    for text in (parts[1], rows[0][1].strip(), rows[2][0].strip(), parts[5]):
        assert re.sub(r"\\(.)", r"\1", text) == ODD
        assert not re.search(r"(?<!\\)[*_<>|]", text)
    assert "](a.png)" in parts[4]


def test_a_text_of_several_lines_is_one_in_markdown():
    assert to_markdown([Text("a\n# b\n\nc")]) == "a \\# b c\n"
