"""The ways to read an alignment, and which of them a model has."""

import pytest

from nmt.decoding.methods import METHODS, AlignmentMethod, check_method
from nmt.errors import NmtError
from nmt.models.seq2seq import CrossAttentions

TRANSFORMER = CrossAttentions(3, 4, layer=1, head=None, rows_to_read=1)
BAHDANAU = CrossAttentions(1, 1, layer=0, head=0, rows_to_read=2)


def test_what_makes_no_method_is_refused_in_one_line():
    with pytest.raises(NmtError, match=r"'shift-at'; did you mean \"shift-att\"\?") as caught:
        AlignmentMethod("shift-at")
    assert "\n" not in str(caught.value)
    with pytest.raises(NmtError, match="head 1 needs the layer"):
        AlignmentMethod(head=1)
    with pytest.raises(NmtError, match="saliency is one for the whole model.* got layer 0"):
        AlignmentMethod("saliency", 0)


def test_row_offsets():
    offsets = {name: AlignmentMethod(name).row_offset for name in METHODS}
    assert offsets == {
        "attention": 0,
        "attention+1": 1,
        "attention+2": 2,
        "shift-att": 1,
        "saliency": 0,
    }


@pytest.mark.parametrize("name", METHODS)
def test_a_transformer_has_every_method_and_a_model_without_attention_none(name):
    check_method(AlignmentMethod(name), TRANSFORMER)
    with pytest.raises(NmtError, match="no attention"):
        check_method(AlignmentMethod(name), None)


def test_a_decoder_that_attends_first_has_no_shift_att():
    for name in METHODS:
        if name != "shift-att":
            check_method(AlignmentMethod(name), BAHDANAU)
    with pytest.raises(NmtError, match=r"attends, then updates .*has not read the piece"):
        check_method(AlignmentMethod("shift-att"), BAHDANAU)


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ((3, None), "layer of an alignment must be between -3 and 2; got 3"),
        ((-4, 0), "layer of an alignment must be between -3 and 2; got -4"),
        ((0, 4), "head of an alignment must be between 0 and 3; got 4"),
        ((0, -1), "head of an alignment must be between 0 and 3; got -1"),
    ],
)
def test_layers_and_heads_must_be_there(method, wanted):
    check_method(AlignmentMethod("attention", -3, 3), TRANSFORMER, heads=True)
    with pytest.raises(NmtError, match=wanted):
        check_method(AlignmentMethod("attention", *method), TRANSFORMER)


def test_saliency_has_no_heads_to_show():
    with pytest.raises(NmtError, match="no layers and heads"):
        check_method(AlignmentMethod("saliency"), TRANSFORMER, heads=True)
