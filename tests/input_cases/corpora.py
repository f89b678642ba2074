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
    corpus(
        "a relative path from elsewhere",
        {},
        "data.path korpus: no such folder, nor any file whose name begins with 'korpus.', in /",
        "data.path=korpus",
    ),
    corpus("a file for a folder", {}, "is a file; wanted its folder", "data.path=corpus/train.en"),
    corpus(
        "an empty folder",
        {},
        "no split 'validation', which | ; nor any",
        "data.path=.",
        logged=True,
    ),
    corpus("a split that is not there", {}, 'did you mean "train"?', "data.train=trian"),
    corpus(
        "a test set that is not there",
        {},
        "no split 'test_2016', which data.test names | \"test\"",
        "data.test=test_2016",
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
        "no split '../corpus/train', which data.train names | (legal: test",
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
        "train.parquet: no column 'fr' (legal: en, de)",
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
ONE_OF_EACH = "0-0\n" * 4


def links(name, content, says, *overrides, **files):
    """A case in which the corpus has a file of word links."""
    files = {"train.links": content, **files}
    return corpus(name, files, says, "data.links=links", *overrides)


LINKS = [
    links(
        "no file of links",
        None,
        "split 'train' has no word links: wanted train.links beside train.en",
    ),
    corpus(
        "links under another name",
        {"train.lnks": ONE_OF_EACH},
        'wanted train.links beside train.en; did you mean "lnks"?',
        "data.links=links",
    ),
    links("links of too few pairs", "0-0\n", "en has 4 lines and | links has 1; line i must hold"),
    links("links of too many pairs", "\n" * 5, "train.en has 4 lines and | train.links has 5;"),
    links("an empty file of links", "", "train.en has 4 lines and | train.links has 0;"),
    links("no links but text", FRENCH, "corpus/train.links, line 1: wanted a link | got 'une'"),
    links("links with commas", "\n0-0,1-1\n\n\n", "line 2: wanted a link | got '0-0,1-1'"),
    links("half a link", "\n\n0-\n\n", "corpus/train.links, line 3: wanted a link | got '0-'"),
    links("a negative link", "-1-0\n\n\n\n", "corpus/train.links, line 1: wanted a link"),
    links(
        "a link past the source words",
        "0-0\n0-0 4-0\n\n\n",
        "corpus/train.links, line 2: link 4-0 | 4 source and 4 target words",
    ),
    links(
        "links counted from 1", "1-1 2-2 3-3\n\n\n\n", "links, line 1: link 3-3 | 3 source and 3"
    ),
    links("a possible link past the words", "0-0 0p3\n\n\n\n", "line 1: link 0-3 | 3 source and 3"),
    links("a link with endless digits", f"{'9' * 9999}-0\n\n\n\n", "links, line 1: "),
    links(
        "links that are no UTF-8", b"0-0\n\xff\n\n\n", "corpus/train.links, line 2: wanted UTF-8"
    ),
    links(
        "links twice",
        ONE_OF_EACH,
        "than once (train.links, train.links.xz)",
        **{"train.links.xz": b""},
    ),
    links(
        "packed links that are none", None, "damaged or incomplete", **{"train.links.gz": b"0-0\n"}
    ),
    links(
        "misaligned links of a test set",
        ONE_OF_EACH,
        "test.en has 2 lines and | test.links has 1; line i must hold the links of pair i",
        **{"test.links": "0-0\n"},
    ),
    corpus(
        "links named by a language",
        {},
        "data.links must name a column of links; got 'fr', a language of the corpus",
        "data.links=fr",
    ),
    corpus(
        "links for the built-in corpus",
        {},
        "data.path embedded has word links of its own: data.links must be null; got 'links'",
        "data.path=embedded data.links=links",
    ),
]
LINKED_TABLES = [
    case._replace(line="train c.yaml data.links=links")
    for case in (
        table(
            "tsv without links", "train.tsv", "en\tfr\na\tb\n", "line 1: no column 'links' (legal"
        ),
        table(
            "tsv with a link past the words",
            "train.tsv",
            "links\ten\tfr\n0-0\ta\tb\n0-1\ta\tb\n",
            "corpus/train.tsv, line 3: link 0-1 | 1 source and 1 target words",
        ),
        table(
            "links in a file beside a table",
            "train.tsv",
            "en\tfr\na\tb\n",
            "the word links of train.tsv must be its column 'links'; got a file, train.links",
        )._replace(
            files=NO_TEXT | {"corpus/train.tsv": "en\tfr\na\tb\n", "corpus/train.links": "0-0\n"}
        ),
        table(
            "JSON without links",
            "train.jsonl",
            jsonl({"en": "a", "fr": "b", "links": ""}, {"en": "a", "fr": "b"}),
            "train.jsonl, line 2: no column 'links' (legal: en, fr)",
        ),
        table(
            "links as a JSON list",
            "train.jsonl",
            jsonl({"en": "a", "fr": "b", "links": [[0, 0]]}),
            "train.jsonl, line 1: 'links' must hold text; got [[0, 0]]",
        ),
        table(
            "JSON with a link past the words",
            "train.jsonl",
            jsonl({"translation": {"en": "a", "fr": "b"}, "links": "1-0"}),
            "train.jsonl, line 1: link 1-0",
        ),
        table(
            "parquet without links",
            "train.parquet",
            parquet(en=["a"], fr=["b"]),
            "train.parquet: no column 'links'",
        ),
        table(
            "null for links in parquet",
            "train.parquet",
            parquet(en=["a", "b"], fr=["c", "d"], links=["0-0", None]),
            "train.parquet, row 2: column 'links' must hold text; got null",
        ),
        table(
            "parquet with no link but text",
            "train.parquet",
            parquet(en=["a", "b"], fr=["c", "d"], links=["0-0", "zero"]),
            "train.parquet, row 2: wanted a link | got 'zero'",
        ),
    )
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
CASES = [*TEXTS, *PLACES, *TABLES, *LINKS, *LINKED_TABLES, *VOCABULARIES]
