import gzip
import json
import logging
import lzma
import random
from itertools import islice

import pytest
import zstandard

from nmt.data.text_files import iter_jsonl, iter_tsv, read_lines, read_parallel, shorten
from nmt.errors import DataError

PACK = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}
LANGUAGES = ("en", "fr")


def write(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_tsv(path):
    return list(iter_tsv(path, LANGUAGES))


def read_jsonl(path):
    return list(iter_jsonl(path, LANGUAGES))


def error_of(function, *arguments):
    with pytest.raises(DataError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", PACK)
def test_lines_survive_every_compression(tmp_path, suffix):
    rng = random.Random(0)
    alphabet = "ab é\t\"'日\u2028\x0c\x85\x1c\r.😀"
    # A final "\r" would go with the line's end; every other character must stay where it is.
    lines = ["".join(rng.choices(alphabet, k=rng.randrange(40))) + "." for _ in range(30_000)]
    content = "".join(line + "\n" for line in lines).encode()
    assert read_lines(write(tmp_path / f"x{suffix}", PACK[suffix](content))) == lines


@pytest.mark.parametrize("suffix", PACK)
def test_compressed_parts_in_a_row_are_one_text(tmp_path, suffix):
    pack = PACK[suffix]
    path = write(tmp_path / f"x{suffix}", pack(b"a\nb") + pack(b"c\nd\n"))
    assert read_lines(path) == ["a", "bc", "d"]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("", []),
        ("\n", [""]),
        ("a", ["a"]),
        ("a\n\n", ["a", ""]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\rb\r\r\n", ["a\rb\r"]),
        ("\ufeffa\n\ufeffb\n", ["a", "\ufeffb"]),
        ("\ufeff", [""]),
    ],
)
def test_line_ends_and_byte_order_mark(tmp_path, content, lines):
    assert read_lines(write(tmp_path / "x", content)) == lines


def test_limit_stops_before_what_follows(tmp_path):
    path = write(tmp_path / "x", b"a\nb\n\xff\n")
    assert read_lines(path, 2) == ["a", "b"]


def test_undecodable_byte_is_named_with_file_and_line(tmp_path):
    path = write(tmp_path / "x.en", "un\ndéjà\n".encode() + "ça\nétait été\n".encode("latin-1"))
    message = error_of(read_lines, path)
    assert message == f"{path}, line 3: wanted UTF-8; got byte 0xE7 at byte 1 of the line"


@pytest.mark.parametrize("suffix", PACK)
def test_nul_is_named_with_file_and_line(tmp_path, suffix):
    path = write(tmp_path / f"x{suffix}", PACK[suffix](b"a\nb\0c\n"))
    assert error_of(read_lines, path) == (
        f"{path}, line 2: a NUL character is not text; wanted a line without one"
    )


@pytest.mark.parametrize(
    ("content", "removed"),
    [
        (b"a\n\xef\xbb\xbfb\n", None),
        (b"\xef\xbb\xbfa\nb\n", "a byte order mark"),
        (b"a\r\nb\n\rc\r\n" * 50, "the carriage return at the end of 100 lines"),
        (
            b"\xef\xbb\xbfa\r\n",
            "a byte order mark and the carriage return at the end of 1 line",
        ),
    ],
)
def test_what_is_removed_is_said_once(tmp_path, caplog, content, removed):
    caplog.set_level(logging.INFO, logger="nmt")
    path = write(tmp_path / "x", content)
    read_lines(path)
    assert caplog.messages == ([] if removed is None else [f"{path}: removed {removed}"])


def test_missing_file(tmp_path):
    assert error_of(read_lines, tmp_path / "x.gz") == f"{tmp_path / 'x.gz'}: no such file"


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("damage", ["cut", "junk"])
def test_damaged_file_is_an_error_not_a_shorter_text(tmp_path, suffix, damage):
    whole = PACK[suffix](random.Random(0).randbytes(300_000).replace(b"\n", b"") + b"\n" * 9000)
    content = whole[: len(whole) // 2] if damage == "cut" else b"no such format at all"
    path = write(tmp_path / f"x{suffix}", content)
    message = error_of(read_lines, path)
    assert message.startswith(f"{path}") and "damaged or incomplete" in message


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_file_without_its_last_bytes_is_damaged(tmp_path, suffix):
    whole = PACK[suffix](b"some lines\n" * 50_000)
    assert "damaged" in error_of(read_lines, write(tmp_path / f"x{suffix}", whole[:-2]))


def test_parallel_files_must_have_as_many_lines(tmp_path):
    source = write(tmp_path / "train.en", "a\nb\nc\n")
    target = write(tmp_path / "train.fr", "d\ne\n")
    assert error_of(read_parallel, "train", source, target) == (
        f"{source} has 3 lines and {target} has 2; line i of both must be the same sentence"
    )
    one = write(tmp_path / "one.fr", "d")
    assert f"{one} has 1 line and {target} has 2;" in error_of(read_parallel, "train", one, target)
    # Found while reading a part, the counts are still those of the whole files.
    assert "has 3 lines" in error_of(read_parallel, "train", source, target, 3)
    assert read_parallel("train", source, target, 2).target == ["d", "e"]


def test_tsv_takes_columns_by_name_and_quotes_as_text(tmp_path):
    content = 'id\tfr\ten\n1\t"un\t a "" b\r\n2\tdeux"\t\n'
    path = write(tmp_path / "x.tsv", content)
    assert read_tsv(path) == [(' a "" b', '"un'), ("", 'deux"')]


def test_tsv_limit_counts_pairs_not_the_header(tmp_path):
    path = write(tmp_path / "x.tsv", "en\tfr\na\tb\nc\td\ne\n")
    assert list(islice(iter_tsv(path, LANGUAGES), 2)) == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: no column 'en'"),
        ("a\tb\nc\td\n", "line 1: no column 'en'; (legal: a, b)"),
        ("eng\tfr\nc\td\n", "line 1: no column 'en'; did you mean \"eng\"? (legal: eng, fr)"),
        ("en\tfr\na\tb\na\tb\tc\n", "line 3: wanted 2 columns separated by tabs"),
        ("en\tfr\na\n", "line 2: wanted 2 columns separated by tabs"),
        ("en\tfr\n\n", "line 2: wanted 2 columns separated by tabs"),
    ],
)
def test_tsv_errors_name_file_and_line(tmp_path, content, message):
    path = write(tmp_path / "x.tsv", content)
    assert f"{path}, {message}" in error_of(read_tsv, path)


def test_jsonl_in_both_layouts(tmp_path):
    rows = [
        {"en": "a\u2028b\tc", "fr": "d", "id": 3},
        {"translation": {"fr": "é", "en": "f", "de": "g"}},
        {"en": "flat", "fr": "plat", "translation": {"en": "x", "fr": "y"}},
    ]
    content = "".join(json.dumps(row, ensure_ascii=i == 0) + "\n" for i, row in enumerate(rows))
    path = write(tmp_path / "x.jsonl", content + " \n")
    assert read_jsonl(path) == [("a\u2028b\tc", "d"), ("f", "é"), ("flat", "plat")]


def test_jsonl_limit_stops_reading(tmp_path):
    path = write(tmp_path / "x.jsonl", '{"en": "a", "fr": "b"}\nno json\n')
    assert list(islice(iter_jsonl(path, LANGUAGES), 1)) == [("a", "b")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"en": "a", "fr": ', 'wanted a JSON object; got {"en": "a", "fr":: Expecting value'),
        ('["a", "b"]', 'wanted a JSON object; got ["a", "b"]'),
        ('{"en": "a"}', "no column 'fr'; (legal: en)"),
        ('{"translation": {"en": "a", "frr": "b"}}', "no column 'fr'; did you mean \"frr\"?"),
        ('{"en": "a", "fr": null}', "'fr' must hold text; got None"),
        ('{"en": ["a"], "fr": "b"}', "'en' must hold text; got ['a']"),
        (r'{"en": "a\ud83d", "fr": "b"}', "half of a surrogate pair"),
        ('{"en": "a", "fr": ' + "9" * 5000 + "}", "wanted a JSON object; got {"),
        ("[" * 100_000, "wanted a JSON object; got [[["),
        (r'{"en": "a", "fr": "b\u0000"}', "a NUL character is not text"),
    ],
)
def test_jsonl_errors_name_file_and_line(tmp_path, line, message):
    path = write(tmp_path / "x.jsonl", '{"en": "a", "fr": "b"}\n\n' + line + "\n")
    found = error_of(read_jsonl, path)
    assert found.startswith(f"{path}, line 3: ") and message in found


def test_jsonl_accepts_whole_surrogate_pairs(tmp_path):
    path = write(tmp_path / "x.jsonl", r'{"en": "\ud83d\ude00", "fr": "\\ud83d"}')
    assert read_jsonl(path) == [("😀", "\\ud83d")]


def test_shorten():
    assert shorten("a \n b") == "a b"
    assert shorten("x" * 60) == "x" * 60
    assert shorten("x" * 61) == "x" * 59 + "…"
