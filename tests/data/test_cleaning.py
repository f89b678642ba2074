import json
import random
import time
import unicodedata
from types import SimpleNamespace

import pytest

from nmt.config.schema import CleaningConfig
from nmt.data import cleaning
from nmt.data.cleaning import MOST_MARKS, Cleaner, count_words, to_nfc, to_single_spaces
from nmt.data.cleaning_report import NUM_EXAMPLES
from nmt.data.splits import Split
from nmt.data.streams import joined

OFF = {
    "nfc": False,
    "whitespace": False,
    "empty": False,
    "max_words": None,
    "max_length_ratio": None,
    "duplicates": False,
    "test_overlap": False,
}
NAMES = tuple(OFF)


def make_split(pairs, links=None, name="train"):
    return Split(name, [source for source, _ in pairs], [target for _, target in pairs], links)


def run(pairs, held_out=(), links=None, languages=("en", "fr"), **rules):
    cleaner = Cleaner(
        CleaningConfig(**{**OFF, **rules}),
        source_language=languages[0],
        target_language=languages[1],
        held_out=held_out,
    )
    split = cleaner.clean(make_split(pairs, links))
    return list(zip(split.source, split.target, strict=True)), split, cleaner.report


def counts(report):
    return {rule.name: rule.num_pairs for rule in report.rules}


def test_all_rules_off_change_nothing():
    pairs = [("", ""), (" e\u0301 ", "x " * 500), ("", "")]
    kept, _, report = run(pairs, [make_split(pairs)])
    assert kept == pairs and report.rules == [] and report.pairs_in == report.pairs_out == 3


@pytest.mark.parametrize(
    ("rule", "pairs", "expected"),
    [
        ({"nfc": True}, [("e\u0301", "\u212b"), (" é", "a")], [("é", "Å"), (" é", "a")]),
        (
            {"whitespace": True},
            [("\u3000a\xa0\u2028b\t", "c\nd\x85"), ("a b", "")],
            [("a b", "c d"), ("a b", "")],
        ),
        ({"empty": True}, [("", "a"), ("a", ""), ("\xa0", "a"), ("a", "b")], [("a", "b")]),
        ({"max_words": 2}, [("a b", "c d"), ("a b c", "d"), ("a", "b  c d")], [("a b", "c d")]),
        (
            {"max_words": 2},
            [
                ("a" * 1000, "b"),
                ("b", "c " + "a" * 1000),
                ("b", "c " + "a" * 1001),
                (" " * 2000, ""),
            ],
            [("a" * 1000, "b"), ("b", "c " + "a" * 1000), (" " * 2000, "")],
        ),
        (
            {"max_length_ratio": 1.5},
            [("a b", "c d e"), ("a b c", "d e"), ("a", "b c"), ("a b c d", "e f"), ("", "a")],
            [("a b", "c d e"), ("a b c", "d e")],
        ),
        (
            {"duplicates": True},
            [("a", "b"), ("a", "c"), ("a", "b"), ("ab", ""), ("", "ab"), ("ab", "")],
            [("a", "b"), ("a", "c"), ("ab", ""), ("", "ab")],
        ),
    ],
)
def test_each_rule_alone(rule, pairs, expected):
    kept, _, report = run(pairs, **rule)
    assert kept == expected
    (only,) = report.rules
    changed = sum(before != after for before, after in zip(pairs, kept, strict=False))
    assert only.num_pairs == (len(pairs) - len(kept) if only.removes else changed)


def test_pairs_with_a_held_out_side_are_dropped():
    held_out = [make_split([("a", "b")]), make_split([("c", "d"), ("", "e")])]
    pairs = [("a", "x"), ("x", "b"), ("b", "a"), ("c", "d"), ("", "x"), ("x", "e"), ("x", "y")]
    kept, _, _ = run(pairs, held_out, test_overlap=True)
    assert kept == [("b", "a"), ("", "x"), ("x", "y")]


def test_held_out_text_is_compared_as_it_would_be_rewritten():
    held_out = [make_split([("e\u0301  a ", "x")])]
    pairs = [("é a", "y"), ("e\u0301\xa0a", "z")]
    assert run(pairs, held_out, test_overlap=True)[0] == pairs
    kept, _, report = run(pairs, held_out, test_overlap=True, nfc=True, whitespace=True)
    assert kept == [] and counts(report)["test_overlap"] == 2
    assert held_out[0].source == ["e\u0301  a "]


def test_rules_see_what_earlier_rules_made():
    pairs = [(" e\u0301", "a"), ("é", "a "), ("\u2003", "b"), ("c", "d")]
    kept, _, report = run(pairs, nfc=True, whitespace=True, empty=True, duplicates=True)
    assert kept == [("é", "a"), ("c", "d")]
    assert counts(report) == {"nfc": 1, "whitespace": 3, "empty": 1, "duplicates": 1}


def test_both_sides_empty_are_balanced_and_one_is_not():
    assert run([("", ""), ("", "a")], max_length_ratio=9.0)[0] == [("", "")]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("a bc  d", "en", 3),
        ("彼 は。", "ja", 3),
        ("我们\u3000好", "zh-CN", 3),
        ("我们", "zh_Hans", 2),
        ("我们", "ZHO", 2),
        ("안녕 하세요", "ko", 2),
        ("", "en", 0),
        ("", "th", 0),
    ],
)
def test_words_are_characters_where_no_spaces_are_written(text, language, expected):
    assert count_words(text, language) == expected


def test_each_side_counts_by_its_own_language():
    pairs = [("one two", "一二三"), ("one two", "一二 三四")]
    assert run(pairs, languages=("en", "zh"), max_words=3)[0] == pairs[:1]
    assert run(pairs, languages=("en", "de"), max_words=3)[0] == pairs


def random_pairs(count):
    rng = random.Random(0)
    words = ["a", "b", "e\u0301", "é", "c", "\u2126", "\u1100\u1161"]
    spaces = [" ", "  ", "\xa0", "\t", "\u2001", "\u3000"]

    def side():
        return "".join(
            rng.choice(words) + rng.choice(spaces) for _ in range(rng.choice([0, 1, 1, 2, 3, 9]))
        )

    return [(side(), side()) for _ in range(count)]


def slow_clean(pairs, held_out, max_words, max_ratio):
    """Yields (index, pair) of what is left: the rules over again, by lists in place of hashes."""
    tidy = lambda text: " ".join(unicodedata.normalize("NFC", text).split())  # noqa: E731
    sources, targets = [tidy(s) for s, _ in held_out], [tidy(t) for _, t in held_out]
    kept = []
    for index, (source, target) in enumerate(pairs):
        pair = source, target = tidy(source), tidy(target)
        lengths = [len(source.split()), len(target.split())]
        if "" in pair or max(lengths) > max_words or max(lengths) / min(lengths) > max_ratio:
            continue
        if pair in [other for _, other in kept] or source in sources or target in targets:
            continue
        kept.append((index, pair))
    return kept


def test_all_rules_agree_with_a_slow_reference_and_links_keep_step():
    pairs, held_out = random_pairs(2000), random_pairs(5)
    links = [[(index, len(source.split()))] for index, (source, _) in enumerate(pairs)]
    expected = slow_clean(pairs, held_out, 8, 2)
    rules = dict.fromkeys(NAMES, True) | {"max_words": 8, "max_length_ratio": 2.0}
    kept, split, report = run(pairs, [make_split(held_out)], links, **rules)
    assert 100 < len(kept) < 1900 and all(counts(report).values())
    assert kept == [pair for _, pair in expected]
    assert split.links == [links[index] for index, _ in expected]
    # Rewriting leaves the number of words, so that links still point at them.
    assert [link[0][1] for link in split.links] == [len(source.split()) for source in split.source]
    assert report.pairs_in == 2000 and report.pairs_out == len(kept)
    assert sum(rule.num_pairs for rule in report.rules if rule.removes) == 2000 - len(kept)
    # What is clean stays as it is.
    again, _, second = run(kept, [make_split(held_out)], **rules)
    assert again == kept and not any(counts(second).values())


@pytest.mark.parametrize("part", [1, 7, 500, 2000])
def test_parts_of_any_size_give_the_same_pairs_and_the_same_report(part):
    pairs, held_out = random_pairs(2000), make_split(random_pairs(5))
    links = [[(index, 0)] for index in range(len(pairs))]
    rules = dict.fromkeys(NAMES, True) | {"max_words": 8, "max_length_ratio": 2.0}
    _, expected, report = run(pairs, [held_out], links, **rules)
    cleaner = Cleaner(
        CleaningConfig(**rules), source_language="en", target_language="fr", held_out=[held_out]
    )
    parts = [
        cleaner.clean(make_split(pairs[start : start + part], links[start : start + part]))
        for start in range(0, 2000, part)
    ]
    assert joined("train", parts) == expected
    assert cleaner.report == report


def test_a_letter_with_hundreds_of_marks_is_left_as_it_is_and_soon_done():
    marked = "a" + "\u0301\u0316" * 50_000
    start = time.process_time()
    assert to_nfc(marked) == marked
    assert time.process_time() - start < 2  # in order, they would take many seconds
    for text in ("e\u0301" * 1000, "a" * 600 + "e" + "\u0316\u0301" * 100):
        assert to_nfc(text) == unicodedata.normalize("NFC", text) != text


def decomposes_into_marks(character):
    """Whether the character, taken apart, begins with a combining mark."""
    return unicodedata.combining(unicodedata.normalize("NFD", character)[0]) > 0


def test_whatever_is_taken_apart_into_marks_counts_as_one(monkeypatch):
    characters = map(chr, (*range(0xD800), *range(0xE000, 0x110000)))
    marks = [character for character in characters if decomposes_into_marks(character)]
    assert {"\u0301", "\u0f73", "\u0f75", "\u0f81"} <= set(marks)

    def forbidden(form, text):
        raise AssertionError(f"{len(text)} characters would be put in order")

    without = SimpleNamespace(combining=unicodedata.combining, normalize=forbidden)
    monkeypatch.setattr(cleaning, "unicodedata", without)
    for mark in marks:
        assert to_nfc("a" + mark * MOST_MARKS) == "a" + mark * MOST_MARKS
    for run in ("\u0f73" * 100_000, "\u0f71\u0f75" * 50_000, "\u0301\u0f81" * 50_000):
        assert to_nfc(run) == run


@pytest.mark.parametrize(
    "text",
    ["a\u200bb", "a\ufeffb", "a\u00adb", "👨\u200d👩\u200d👧", "\u0301", "\u200b", "e\u0308\u200d"],
)
def test_characters_without_width_stay_and_count_as_words_do(text):
    kept, _, _ = run([(text, f" {text}")], nfc=True, whitespace=True, empty=True, max_words=1)
    assert kept == [(unicodedata.normalize("NFC", text),) * 2]


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_has_its_switch_and_its_place(name):
    rules = dict.fromkeys(NAMES, True) | {"max_words": 8, "max_length_ratio": 2.0}
    _, _, report = run(random_pairs(10), **{**rules, name: OFF[name]})
    assert [rule.name for rule in report.rules] == [other for other in NAMES if other != name]


def test_report_keeps_a_few_examples_with_raw_line_numbers():
    pairs = [("a", "b"), ("", "c"), ("d", "é" * 100 + " ")] + [("", "f")] * 10
    _, _, report = run(pairs, empty=True, whitespace=True)
    whitespace, empty = report.rules
    assert [example.line for example in empty.examples] == [2, 4, 5] and NUM_EXAMPLES == 3
    (example,) = whitespace.examples
    assert example.line == 3 and example.source == "d"
    assert len(example.target) < 61 and "…" in example.target and example.target.endswith(" ")


def test_report_as_json_and_as_table():
    pairs = [("a  b", "c"), ("", "c\n")]
    _, _, report = run(pairs, whitespace=True, empty=True, duplicates=True)
    as_dict = report.to_dict()
    assert json.loads(json.dumps(as_dict)) == as_dict
    assert as_dict["pairs_in"] == 2 and as_dict["pairs_out"] == 1
    assert [rule["num_pairs"] for rule in as_dict["rules"]] == [2, 1, 0]
    assert as_dict["rules"][1]["examples"] == [{"line": 2, "source": "", "target": "c"}]
    lines = str(report).splitlines()
    assert [line.split()[0] for line in lines] == [
        "cleaning", "in", "whitespace", "empty", "duplicates", "out"
    ]  # fmt: skip
    assert "100.00% changed" in lines[2] and "50.00% removed, as line 2: '' ||| 'c'" in lines[3]


def test_single_spaces_cut_at_every_unicode_white_space():
    spaces = [chr(code) for code in range(0x110000) if chr(code).isspace()]
    assert len(spaces) > 20
    assert to_single_spaces("a".join(spaces)) == " ".join("a" * (len(spaces) - 1))
