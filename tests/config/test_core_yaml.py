import math

import pytest
import yaml

from nmt.config import core_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("010", 10),  # octal in YAML 1.1
        ("1:30", "1:30"),  # 90 in YAML 1.1
        ("1_000", "1_000"),  # 1000 in YAML 1.1
        ("1e-3", 1e-3),  # a text in YAML 1.1
        ("2.", 2.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("2024-01-01", "2024-01-01"),  # a date in YAML 1.1
        ("'12'", "12"),
        ("[a, 1]", ["a", 1]),
        ("{on: y}", {"on": "y"}),
    ],
)
def test_load_follows_the_core_schema(text, value):
    loaded = core_yaml.load(text)
    assert loaded == value and type(loaded) is type(value)


def test_load_reads_nan():
    assert math.isnan(core_yaml.load(".nan"))


@pytest.mark.parametrize(
    "text",
    ["!!python/name:os.system", "!!timestamp x", "!!set {a}", "!!int abc", "!!bool maybe", "? [a]"],
)
def test_load_builds_nothing_else(text):
    with pytest.raises(yaml.YAMLError):
        core_yaml.load(text)


def test_a_repeated_key_is_an_error_at_any_depth():
    with pytest.raises(yaml.MarkedYAMLError, match="'b' is given twice") as caught:
        core_yaml.load("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert caught.value.problem_mark.line == 3


TEXTS = [
    "no",
    "1e-3",
    "12",
    "",
    "null",
    "~",
    "a: b",
    "# x",
    "1:30",
    "2024-01-01",
    "é\t🙂",
    "'",
    "a\nb",
]


@pytest.mark.parametrize("value", [*TEXTS, 1e-8, 0.1, 1e22, 3, -7, True, None])
def test_dump_is_read_back_by_us_and_by_other_readers(value):
    tree = {"key": value, "nested": {"list": tuple(TEXTS)}}
    text = core_yaml.dump(tree)
    expected = {"key": value, "nested": {"list": TEXTS}}
    assert core_yaml.load(text) == expected
    assert yaml.safe_load(text) == expected


@pytest.mark.parametrize(
    ("text", "null"), [("", True), ("null", True), ("none", False), ("0", False)]
)
def test_is_null(text, null):
    assert core_yaml.is_null(text) is null
