"""Options that say how alignments are read."""

import pytest

from nmt.commands.alignment_method import (
    add_method,
    add_reverse_method,
    method_of,
    reverse_method_of,
)
from nmt.commands.arguments import CommandParser
from nmt.decoding.methods import AlignmentMethod
from nmt.errors import NmtError


def parse(line):
    parser = CommandParser("x", words="", purpose="", examples=[])
    add_method(parser)
    add_reverse_method(parser)
    return parser.parse(line.split())


@pytest.mark.parametrize(
    ("line", "method"),
    [
        ("", None),
        ("--method shift-att", AlignmentMethod("shift-att")),
        ("--layer -1", AlignmentMethod("attention", -1)),
        ("--method attention+1 --layer 0 --head 2", AlignmentMethod("attention+1", 0, 2)),
    ],
)
def test_method(line, method):
    assert method_of(parse(line)) == method
    assert reverse_method_of(parse(line)) == (method or AlignmentMethod())


@pytest.mark.parametrize(
    ("line", "method"),
    [
        ("--reverse-method attention", AlignmentMethod()),
        ("--reverse-layer 1", AlignmentMethod("shift-att", 1)),
        ("--reverse-layer 1 --reverse-head 0", AlignmentMethod("shift-att", 1, 0)),
        ("--reverse-method saliency", AlignmentMethod("saliency")),
    ],
)
def test_a_reverse_model_that_is_read_otherwise_has_layer_and_head_of_its_own(line, method):
    assert reverse_method_of(parse(f"--method shift-att --layer 4 --head 3 {line}")) == method


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--method atention", 'did you mean "attention"'),
        ("--head 0", "head 0 needs the layer"),
        ("--method saliency --layer 0", "saliency is one for the whole model"),
        ("--reverse-method atention", 'did you mean "attention"'),
        ("--layer 0 --reverse-head 0", "--reverse-head needs --reverse-layer"),
        ("--method saliency --reverse-layer 0", "saliency is one for the whole model"),
    ],
)
def test_mistakes(line, message):
    with pytest.raises(NmtError, match=message):
        reverse_method_of(parse(line))
