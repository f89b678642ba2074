"""Scores in columns."""

import pytest

from nmt.analysis.by_length import FEWEST, LengthBucket
from nmt.analysis.scores import score
from nmt.commands.evaluations import source_lengths
from nmt.commands.tables import SCORES, columns, length_table, length_unit, signature_lines
from nmt.config.schema import DataConfig
from nmt.data.splits import Split


def bucket(lower, upper, count, value):
    scores = {"bleu": value, "bleu_tokenized_lowercase": value, "chrf": value}
    return LengthBucket(lower=lower, upper=upper, count=count, **scores)


def test_texts_begin_at_the_left_and_numbers_end_at_the_right():
    rows = [["run", "unit", "n"], ["a longer name", "x", "1000"], ["b", "yy", ""]]
    assert columns(rows, texts=2) == [
        "run            unit     n",
        "a longer name  x     1000",
        "b              yy",
    ]
    assert columns(rows)[1] == "a longer name     x  1000"


def test_a_bucket_says_that_it_is_empty_or_small():
    buckets = [bucket(0, 9, FEWEST, 12.346), bucket(10, 19, 1, 7.0), bucket(20, None, 0, None)]
    lines = length_table("split", [("test", b) for b in buckets], "words")
    assert lines[0].split()[:5] == ["split", "source", "words", "sentences", "BLEU"]
    assert [line.split() for line in lines[1:]] == [
        ["test", "0-9", str(FEWEST), "12.35", "12.35", "12.35"],
        ["test", "10-19", "1", "(few)", "7.00", "7.00", "7.00"],
        ["test", "20+", "0", "-", "-", "-"],
    ]


@pytest.mark.parametrize(
    "language, tokenized, unit",
    [
        ("de", False, "words"),
        ("ko", True, "words"),
        ("ja", False, "characters"),
        ("zh-CN", False, "characters"),
        ("zh-CN", True, "words"),  # which the tokeniser has parted
    ],
)
def test_lengths_are_in_words_where_there_are_spaces(language, tokenized, unit):
    data = DataConfig(path="x", source_language=language, tokenized=tokenized)
    assert length_unit(data) == unit
    assert f"source {unit}" in length_table("run", [("a", bucket(0, None, 1, 1.0))], unit)[0]
    (length,) = source_lengths(Split("test", ["ab cd e"], ["x"]), data)
    assert length == {"words": 3, "characters": 5}[unit]


def test_every_score_has_a_heading():
    fields = score(["a"], ["a"], target_language="en", tokenized=True).to_dict()
    assert set(SCORES) == {name for name, value in fields.items() if isinstance(value, float)}
    signatures = {name: fields[f"{name}_signature"] for name in SCORES}
    assert signature_lines(signatures)[0] == f"BLEU: {fields['bleu_signature']}"
