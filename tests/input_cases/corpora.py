"""Corpora that cannot be trained on as they are."""

import gzip
import json
from pathlib import Path

import zstandard

from tests.input_cases import ENGLISH, FRENCH, Case

NO_TEXT = {"corpus/train.en": None, "corpus/train.fr": None}
LATIN_1 = "la pluie\nl'été\n".encode("latin-1")


def corpus(name, files, says, *overrides, logged=True):
    """A case in which the files of the corpus are others."""
    files = {f"corpus/{file}": content for file, content in files.items()}
    return Case(name, " ".join(["train c.yaml", *overrides]), says, files, logged)


def table(name, file, content, says):
    """A case in which the training split is a table in place of two files."""
    return Case(name, "train c.yaml", says, NO_TEXT | {f"corpus/{file}": content}, logged=True)


def parquet(**columns):
    def write(path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(columns), path)

    return write


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


TEXTS = [
    corpus("two lines too few", {"train.fr": "un\ndeux\n"}, "train.en has 4 lines | fr has 2"),
    corpus("a line too many", {"validation.fr": FRENCH}, "en has 2 lines and | fr has 4; line i"),
    corpus("a test set that is misaligned", {"test.en": "a\n"}, "test.en has 1 line and"),
    corpus(
        "Latin-1 in training",
        {"train.fr": LATIN_1 + b"x\ny\n"},
        "corpus/train.fr, line 2: wanted UTF-8; got byte 0xE9 at byte 3 of the line",
    ),
    corpus("Latin-1 in validation", {"validation.fr": LATIN_1}, "validation.fr, line 2: wanted UT"),
    corpus("Latin-1 in a test set", {"test.fr": LATIN_1}, "corpus/test.fr, line 2: wanted UTF-8"),
    corpus("UTF-16", {"train.en": ENGLISH.encode("utf-16")}, "train.en, line 1: wanted UTF-8"),
    corpus("half a character", {"test.en": b"a\n\xe2\x82"}, "test.en, line 2: wanted UTF-8; got b"),
    corpus(
        "NUL in training", {"train.en": ENGLISH.replace("red", "r\0d")}, "train.en, line 1 | NUL"
    ),
    corpus("NUL in validation", {"validation.fr": "a\nb\0\n"}, "validation.fr, line 2 | NUL"),
    corpus("NUL in a test set", {"test.fr": "a\0\nb\n"}, "corpus/test.fr, line 1 | NUL"),
    corpus("nothing to train on", {"train.en": "", "train.fr": ""}, "split 'train' is empty"),
    corpus(
        "an empty validation set",
        {"validation.en": "", "validation.fr": ""},
        "split 'validation' is empty; wanted one pair or more",
    ),
    corpus("an empty test set", {"test.en": "", "test.fr": ""}, "split 'test' is empty"),
    corpus(
        "nothing left by cleaning",
        {},
        "cleaning removed all 4 pairs of split 'train' | data.cleaning.test_overlap",
        "data.test=train",
    ),
    corpus(
        "nothing left within data.max_pieces",
        {},
        "training pairs have more than data.max_pieces (2) pieces | wanted one or more left",
        "data.max_pieces=2",
    ),
]
PLACES = [
    corpus(
        "a folder that is not there",
        {},
        "data.path no/korpus: no such folder",
        "data.path=no/korpus",
    ),
    corpus("a file for a folder", {}, "is a file; wanted its folder", "data.path=corpus/train.en"),
    corpus("an empty folder", {}, "no split 'validation'; nor any", "data.path=.", logged=True),
    corpus("a split that is not there", {}, 'did you mean "train"?', "data.train=trian"),
    corpus(
        "a test set that is not there", {}, "no split 'test_2016' | \"test\"", "data.test=test_2016"
    ),
    corpus(
        "a language that is not there",
        {},
        "no file for language 'fra'; did you mean \"fr\"? (legal: en, fr)",
        "data.target_language=fra",
    ),
    corpus("one side alone", {"train.fr": None}, "'train' has no file for language 'fr'"),
    corpus(
        "a link to nothing", {"train.fr": lambda path: path.symlink_to("gone")}, "language 'fr'"
    ),
    corpus("a text twice", {"train.en.gz": b""}, "more than once (train.en, train.en.gz"),
    corpus("a table and texts", {"train.tsv": ""}, "more than once (train.tsv, train.en, tr"),
    corpus(
        "a split with ..",
        {},
        "no split '../corpus/train' | (legal: test",
        "data.train=../corpus/train",
    ),
    corpus(
        "no split of the built-in corpus", {}, 'mean "test"?', "data.path=embedded data.test=tset"
    ),
    corpus(
        "no language of the built-in corpus",
        {},
        "wanted the languages en and fr, in either direction; got en and de",
        "data.path=embedded data.target_language=de",
    ),
    corpus(
        "a configuration of plain files", {}, "'de-en' is for a Hub", "data.configuration=de-en"
    ),
    corpus(
        "a Hub dataset out of reach", {}, "data.hub no/such: cannot be read", "data.hub=no/such"
    ),
]
TABLES = [
    table(
        "gzip that is none", "train.en.gz", b"one\n", "train.en.gz: cannot be read, damaged or i"
    )._replace(files=NO_TEXT | {"corpus/train.en.gz": b"one\n", "corpus/train.fr": FRENCH}),
    table(
        "gzip cut short", "train.tsv.gz", gzip.compress(b"en\tfr\n" * 99)[:-9], "damaged or incom"
    ),
    table(
        "zstd cut short",
        "train.tsv.zst",
        zstandard.compress(bytes(range(256)) * 99)[:-9],
        "train.tsv.zst: cannot be read, damaged or incomplete",
    ),
    table("xz that is none", "train.tsv.xz", b"en\tfr\n", "train.tsv.xz: cannot be read, damaged"),
    table(
        "parquet that is none", "train.parquet", b"PAR1nonsense", "train.parquet: cannot be read"
    ),
    table("parquet cut short", "train.parquet", b"", "train.parquet: cannot be read"),
    table(
        "parquet without a language",
        "train.parquet",
        parquet(en=["a"], de=["b"]),
        "train.parquet: no column 'fr'; (legal: en, de)",
    ),
    table(
        "null in parquet", "train.parquet", parquet(en=["a", None], fr=["b", "c"]), "row 2 | null"
    ),
    table(
        "numbers in parquet", "train.parquet", parquet(en=[1], fr=["b"]), "'en' must hold text; g"
    ),
    table(
        "a line that is no JSON",
        "train.jsonl",
        jsonl({"en": "a", "fr": "b"}) + "{",
        "line 2 | JSON",
    ),
    table(
        "a JSON list", "train.jsonl", "[1]\n", "train.jsonl, line 1: wanted a JSON object; got [1]"
    ),
    table(
        "JSON without a language", "train.jsonl", jsonl({"en": "a"}), "no column 'fr' | (legal: en)"
    ),
    table(
        "null in JSON", "train.jsonl", jsonl({"en": "a", "fr": None}), "'fr' must hold text; got N"
    ),
    table("NUL in JSON", "train.jsonl", jsonl({"en": "a\0", "fr": "b"}), "line 1 | NUL"),
    table(
        "half a surrogate pair in JSON",
        "train.jsonl",
        jsonl({"en": "\ud800", "fr": "b"}),
        "line 1: half of a surrogate pair",
    ),
    table("a header without a language", "train.tsv", "en\tde\na\tb\n", "line 1: no column 'fr'"),
    table("a tab too many", "train.tsv", "en\tfr\na\tb\tc\n", "line 2: wanted 2 columns | got 3"),
]
VOCABULARIES = [
    corpus(
        "a vocabulary larger than the corpus allows",
        {},
        "vocabulary.size is too large for the training text: it allows at most | got 4000",
        "vocabulary.size=4000",
    ),
    corpus(
        "the same of one side",
        {},
        "too large for the training text of the source side: it allows at most | got 4000",
        "vocabulary.size=4000 vocabulary.joint=false",
    ),
    corpus(
        "a vocabulary smaller than the alphabet",
        {},
        "too small for the characters | must be at least | got 8",
        "vocabulary.size=8 search.beam_size=1",
    ),
    corpus(
        "a symbol with a space",
        {},
        "vocabulary.symbols must be words without white space; got 'a b'",
        "'vocabulary.symbols=a b'",
    ),
    corpus("a special piece as a symbol", {}, "'<s>' is a spec", "'vocabulary.symbols=<s>'"),
]
CASES = [*TEXTS, *PLACES, *TABLES, *VOCABULARIES]
