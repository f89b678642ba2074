import gzip
import json
import logging
import lzma
import os
import random
from itertools import islice
from threading import Thread

import pytest
import zstandard

from nmt.data.columns import Columns
from nmt.data.text_files import (
    iter_jsonl,
    iter_lines,
    iter_parallel,
    iter_tsv,
    read_lines,
    read_parallel,
    shorten,
)
from nmt.errors import DataError

PACK = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}
COLUMNS = Columns("en", "fr")
MUST = Columns("en", "fr", "links", must_have_links=True)
MAY = Columns("en", "fr", "links")


def write(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_tsv(path, columns=COLUMNS):
    return list(iter_tsv(path, columns))


def read_jsonl(path, columns=COLUMNS):
    return list(iter_jsonl(path, columns))


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


def test_pipes_of_unequal_length_are_told_with_their_lengths(tmp_path):
    """They cannot be read a second time."""
    for sizes in ((3, 5), (5, 3)):
        pipes = [tmp_path / f"{sizes[0]}.{side}" for side in range(2)]
        writers = []
        for pipe, size in zip(pipes, sizes, strict=True):
            os.mkfifo(pipe)
            writers.append(Thread(target=pipe.write_text, args=("a\n" * size,), daemon=True))
            writers[-1].start()
        message = error_of(list, iter_parallel(*pipes))
        for writer in writers:
            writer.join(timeout=60)
            assert not writer.is_alive()
        assert f"{pipes[0]} has {sizes[0]} lines and {pipes[1]} has {sizes[1]}; line" in message


def test_lines_are_read_no_further_than_wanted(tmp_path):
    path = write(tmp_path / "x", b"a\nb\n\xff\n")
    assert list(islice(iter_lines(path), 2)) == ["a", "b"]


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
    rows = iter_parallel(source, target)
    assert [target for _, target, *_ in islice(rows, 2)] == ["d", "e"]
    assert "has 3 lines" in error_of(next, rows)


@pytest.mark.parametrize("suffix", PACK)
def test_three_parallel_files(tmp_path, suffix):
    source = write(tmp_path / "train.en", "a\n\nb\r\n")
    target = write(tmp_path / "train.fr", "c\nd\n")
    links = write(tmp_path / f"train.links{suffix}", PACK[suffix](b"0-0\r\n\n 0-0"))
    rows = iter_parallel(source, write(tmp_path / "train.fr", "c\nd\ne"), links)
    assert list(rows) == [
        ("a", "c", ("0-0", f"{links}, line 1")),
        ("", "d", ("", f"{links}, line 2")),
        ("b", "e", (" 0-0", f"{links}, line 3")),
    ]
    message = error_of(list, iter_parallel(source, write(target, "c\n"), links))
    assert message == (
        f"{source} has 3 lines and {target} has 1; line i of both must be the same sentence"
    )


@pytest.mark.parametrize("lines", [0, 2, 4])
def test_links_must_have_as_many_lines_as_the_text(tmp_path, lines):
    source = write(tmp_path / "train.en", "a\nb\nc\n")
    target = write(tmp_path / "train.fr", "d\ne\nf\n")
    links = write(tmp_path / "train.links", "0-0\n" * lines)
    assert error_of(list, iter_parallel(source, target, links)) == (
        f"{source} has 3 lines and {links} has {lines}; line i must hold the links of pair i"
    )
    assert len(list(islice(iter_parallel(source, target, links), min(lines, 3)))) == min(lines, 3)


def test_tsv_takes_columns_by_name_and_quotes_as_text(tmp_path):
    content = 'id\tfr\ten\n1\t"un\t a "" b\r\n2\tdeux"\t\n'
    path = write(tmp_path / "x.tsv", content)
    assert read_tsv(path) == [(' a "" b', '"un'), ("", 'deux"')]


def test_tsv_limit_counts_pairs_not_the_header(tmp_path):
    path = write(tmp_path / "x.tsv", "en\tfr\na\tb\nc\td\ne\n")
    assert list(islice(iter_tsv(path, COLUMNS), 2)) == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: no column 'en'"),
        ("a\tb\nc\td\n", "line 1: no column 'en' (legal: a, b)"),
        ("eng\tfr\nc\td\n", "line 1: no column 'en'; did you mean \"eng\"? (legal: eng, fr)"),
        ("en\tfr\na\tb\na\tb\tc\n", "line 3: wanted 2 columns separated by tabs"),
        ("en\tfr\na\n", "line 2: wanted 2 columns separated by tabs"),
        ("en\tfr\n\n", "line 2: wanted 2 columns separated by tabs"),
        ("en\tfr\tfr\na\tb\tc\n", "line 1: column 'fr' is there 2 times"),
    ],
)
def test_tsv_errors_name_file_and_line(tmp_path, content, message):
    path = write(tmp_path / "x.tsv", content)
    assert f"{path}, {message}" in error_of(read_tsv, path)


def test_tsv_links_are_a_column(tmp_path):
    path = write(tmp_path / "x.tsv", "links\tfr\ten\n0-0\ta\tb\n\tc\td\n")
    rows = [("b", "a", ("0-0", f"{path}, line 2")), ("d", "c", ("", f"{path}, line 3"))]
    assert read_tsv(path, MUST) == read_tsv(path, MAY) == rows
    assert read_tsv(path) == [("b", "a"), ("d", "c")]
    without = write(tmp_path / "y.tsv", "fr\ten\na\tb\n")
    assert read_tsv(without, MAY) == [("b", "a")]
    assert error_of(read_tsv, without, MUST) == (
        f"{without}, line 1: no column 'links' (legal: fr, en)"
    )


def as_jsonl(path, *rows):
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def test_jsonl_links_are_a_key_beside_the_text_in_both_layouts(tmp_path):
    path = as_jsonl(
        tmp_path / "x.jsonl",
        {"en": "a", "fr": "b", "links": "0-0"},
        {"translation": {"en": "c", "fr": "d", "links": "no"}, "links": ""},
    )
    rows = [("a", "b", ("0-0", f"{path}, line 1")), ("c", "d", ("", f"{path}, line 2"))]
    assert read_jsonl(path, MUST) == read_jsonl(path, MAY) == rows
    assert read_jsonl(path) == [("a", "b"), ("c", "d")]


PAIR = {"en": "a", "fr": "b"}


@pytest.mark.parametrize("nothing", [PAIR, PAIR | {"links": None}], ids=["no key", "null"])
def test_jsonl_has_links_at_all_pairs_or_at_none(tmp_path, nothing):
    linked = PAIR | {"links": "0-0"}
    none = as_jsonl(tmp_path / "x.jsonl", nothing, nothing)
    assert read_jsonl(none, MAY) == [("a", "b")] * 2
    for rows in ((linked, nothing), (nothing, linked)):
        some = as_jsonl(tmp_path / "y.jsonl", *rows)
        assert f"{some}, line 2: wanted 'links' at all pairs of" in error_of(read_jsonl, some, MAY)
    says = "no column 'links'" if nothing is PAIR else "'links' must hold text; got None"
    assert f"line 2: {says}" in error_of(
        read_jsonl, as_jsonl(tmp_path / "z.jsonl", linked, nothing), MUST
    )


@pytest.mark.parametrize("links", [[[0, 0]], 3, {"0": 0}, True])
def test_jsonl_links_are_text(tmp_path, links):
    path = as_jsonl(tmp_path / "x.jsonl", PAIR | {"links": links})
    for columns in (MUST, MAY):
        message = error_of(read_jsonl, path, columns)
        assert f"{path}, line 1: 'links' must hold text; got " in message


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
    assert list(islice(iter_jsonl(path, COLUMNS), 1)) == [("a", "b")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"en": "a", "fr": ', 'wanted a JSON object; got {"en": "a", "fr":: Expecting value'),
        ('["a", "b"]', 'wanted a JSON object; got ["a", "b"]'),
        ('{"en": "a"}', "no column 'fr' (legal: en)"),
        ('{"translation": {"en": "a", "frr": "b"}}', "no column 'fr'; did you mean \"frr\"?"),
        ('{"en": "a", "fr": null}', "'fr' must hold text; got None"),
        ('{"en": ["a"], "fr": "b"}', "'en' must hold text; got ['a']"),
        ('{"en": "a", "en": "b", "fr": "c"}', "'en' is there twice"),
        ('{"translation": {"fr": "a", "fr": "b", "en": "c"}}', "'fr' is there twice"),
        (r'{"en": "a\ud83d", "fr": "b"}', "half of a surrogate pair"),
        (r'{"en": "a", "fr": "\uD800b"}', "half of a surrogate pair"),
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
