import sys

from nmt.data.white_space import plain


def test_plain_changes_all_white_space_one_for_one_and_nothing_else():
    text = "".join(map(chr, range(sys.maxunicode + 1)))
    result = plain(text)
    assert len(result) == len(text)
    for before, after in zip(text, result, strict=True):
        if after != before:
            surrogate = "\ud800" <= before <= "\udfff"
            assert surrogate or before.isspace() or before == "\u2581"
            assert after == ("\ufffd" if surrogate else " ")
    assert {c for c in result if c.isspace() or "\ud800" <= c <= "\udfff"} == {" "}
