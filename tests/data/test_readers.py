import gzip
import io
import json
import lzma
import subprocess
import sys
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nmt.config.schema import DataConfig
from nmt.data.readers import read_split
from nmt.data.splits import Split
from nmt.errors import DataError

PAIRS = [("a b", "c"), ("", "d e"), ("f", "g\u2028h")]


def lay_out(folder, files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        content = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(content)
    return folder


def side(index):
    return "".join(f"{pair[index]}\n" for pair in PAIRS)


def tsv():
    return "en\tfr\n" + "".join(f"{source}\t{target}\n" for source, target in PAIRS)


def jsonl():
    return "".join(json.dumps({"fr": target, "en": source}) + "\n" for source, target in PAIRS)


def read(root, name="train", limit=None, **options):
    split = read_split(DataConfig(path=str(root), **options), name, limit)
    assert split.name == name
    return list(zip(split.source, split.target, strict=True))


def error_of(root, name="train", **options):
    with pytest.raises(DataError) as caught:
        read(root, name, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


FORMS = [
    {".en": side(0), ".fr": side(1)},
    {".en.gz": gzip.compress(side(0).encode()), ".fr.xz": lzma.compress(side(1).encode())},
    {".tsv": tsv()},
    {".tsv.gz": gzip.compress(tsv().encode())},
    {".jsonl": jsonl()},
    {".jsonl.xz": lzma.compress(jsonl().encode())},
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("split", ["train", "train.de-en", "test_2016"])
def test_folder_and_prefix(tmp_path, form, split):
    folder = lay_out(tmp_path / "a", {f"{split}{end}": content for end, content in form.items()})
    lay_out(folder, {f"news.{split}{end}": content for end, content in form.items()})
    assert read(folder, split) == PAIRS
    assert read(folder / "news", split) == PAIRS
    assert read(f"{folder}/", split, limit=2) == PAIRS[:2]
    swapped = read(folder, split, source_language="fr", target_language="en")
    assert swapped == [(target, source) for source, target in PAIRS]


LINKS = ["1-0 0-0", "", "0p0"]
SURE = [[(0, 0), (1, 0)], [], []]


def links_file():
    return "".join(f"{links}\n" for links in LINKS)


def linked_tsv():
    lines = zip(["links", *LINKS], tsv().split("\n"), strict=False)
    return "".join(f"{links}\t{pair}\n" for links, pair in lines)


def linked_rows(*, nested):
    for (source, target), links in zip(PAIRS, LINKS, strict=True):
        pair = {"en": source, "fr": target}
        yield ({"translation": pair} if nested else pair) | {"links": links}


def linked_jsonl(*, nested=False):
    return "".join(json.dumps(row) + "\n" for row in linked_rows(nested=nested))


def linked_parquet(*, nested=False):
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(linked_rows(nested=nested))), file)
    return file.getvalue()


LINKED_FORMS = {
    "text": lambda: {".en": side(0), ".fr": side(1), ".links": links_file()},
    "packed text": lambda: {
        ".en": side(0),
        ".fr.gz": gzip.compress(side(1).encode()),
        ".links.xz": lzma.compress(links_file().encode()),
    },
    "tsv": lambda: {".tsv": linked_tsv()},
    "packed tsv": lambda: {".tsv.gz": gzip.compress(linked_tsv().encode())},
    "jsonl": lambda: {".jsonl": linked_jsonl()},
    "jsonl with translation": lambda: {".jsonl": linked_jsonl(nested=True)},
    "parquet": lambda: {".parquet": linked_parquet()},
    "parquet with translation": lambda: {".parquet": linked_parquet(nested=True)},
}


@pytest.mark.parametrize("form", LINKED_FORMS)
def test_links_are_read_from_every_form_and_have_one_fingerprint(tmp_path, form):
    files = LINKED_FORMS[form]()
    folder = lay_out(tmp_path / "a", {f"train{end}": text for end, text in files.items()})
    lay_out(tmp_path / "b", {f"news.train{end}": text for end, text in files.items()})
    expected = Split("train", *map(list, zip(*PAIRS, strict=True)), SURE)
    for root in (folder, tmp_path / "b" / "news"):
        config = DataConfig(path=str(root), links="links")
        split = read_split(config, "train")
        assert (split.source, split.target) == (expected.source, expected.target)
        assert split.links == SURE and split.fingerprint == expected.fingerprint
        assert read_split(config, "train", 1).links == SURE[:1]
        plain = read_split(replace(config, links=None), "train")
        assert plain.links is None and read(root) == PAIRS


@pytest.mark.parametrize("name", ["gold", "de-en.intersection", "txt"])
def test_a_file_of_links_may_have_any_name(tmp_path, name):
    files = {"train.en": side(0), "train.fr": side(1), f"train.{name}": links_file()}
    config = DataConfig(path=str(lay_out(tmp_path / "a", files)), links=name)
    assert read_split(config, "train").links == SURE


def test_only_the_training_split_must_have_a_file_of_links(tmp_path):
    texts = {f"{split}.{lang}": "a\n" for split in ("train", "val") for lang in ("en", "fr")}
    folder = lay_out(tmp_path / "a", texts | {"train.lnks": "0-0\n"})
    assert error_of(folder, links="links") == (
        f"data.path {folder}: split 'train' has no word links: wanted train.links beside train.en; "
        'did you mean "lnks"? (legal: lnks)'
    )
    assert read(folder, links="lnks") == read(folder, "val", links="lnks") == [("a", "a")]
    lay_out(tmp_path / "b", {f"x.{name}": content for name, content in texts.items()})
    message = error_of(tmp_path / "b" / "x", links="links")
    assert message.endswith("has no word links: wanted x.train.links beside x.train.en")


def test_links_that_are_there_twice_or_in_the_wrong_place_are_refused(tmp_path):
    texts = {"train.en": "a\n", "train.fr": "b\n", "train.links": "", "train.links.gz": ""}
    message = error_of(lay_out(tmp_path / "a", texts), links="links")
    assert message.endswith("more than once (train.links, train.links.gz); keep one")
    folder = lay_out(tmp_path / "b", {"train.tsv": linked_tsv(), "train.links": links_file()})
    assert error_of(folder, links="links") == (
        f"data.path {folder}: the word links of train.tsv must be its column 'links'; "
        "got a file, train.links"
    )
    assert read(folder) == PAIRS


def test_links_are_no_language(tmp_path):
    folder = lay_out(tmp_path / "a", {"train.en": "a\n", "train.links": "\n"})
    assert error_of(folder, links="links").endswith("for language 'fr' (legal: en)")


def test_errors_of_links_name_file_and_line(tmp_path):
    texts = {"train.en": "a b\nc\n", "train.fr": "d\ne\n"}
    for links, says in (
        ("0-0\n0-0 x\n", "line 2: wanted a link such as 0-0"),
        ("2-0\n\n", "line 1: link 2-0 (words counted from 0) does not fit a pair of 2 source"),
        ("\n0-1\n", "line 2: link 0-1"),
    ):
        folder = lay_out(tmp_path / "a", texts | {"train.links": links})
        assert error_of(folder, links="links").startswith(f"{folder / 'train.links'}, {says}")
    folder = lay_out(tmp_path / "a", texts | {"train.links": "0-0\n"})
    assert error_of(folder, links="links") == (
        f"{folder / 'train.en'} has 2 lines and {folder / 'train.links'} has 1; "
        "line i must hold the links of pair i"
    )


def test_parquet_beside_other_splits(tmp_path):
    folder = lay_out(tmp_path / "a", {"val.tsv": tsv()})
    columns = {"en": [pair[0] for pair in PAIRS], "fr": [pair[1] for pair in PAIRS]}
    pq.write_table(pa.table(columns), folder / "train.parquet")
    assert read(folder) == read(folder, "val") == PAIRS


def test_other_files_are_no_split(tmp_path):
    files = {"train.tsv": tsv(), "train.md": "", "train.tsv.old.txt": "", ".train.tsv": "junk"}
    folder = lay_out(tmp_path / "a", files)
    (folder / "train.fr").mkdir()
    assert read(folder) == PAIRS


@pytest.mark.parametrize("layout", ["card", "data folder", "shards"])
def test_folder_like_a_hub_dataset(tmp_path, monkeypatch, layout):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "a"
    data = folder if layout == "shards" else folder / "data"
    data.mkdir(parents=True)
    rows = [{"en": source, "fr": target} for source, target in PAIRS]
    for split, count in (("train", 3), ("test", 2)):
        table = pa.table({"translation": rows[:count]})
        pq.write_table(table, data / f"{split}-00000-of-00001.parquet")
    if layout == "card":  # the card wins over the text files beside it
        files = (
            "configs:\n- config_name: x\n  data_files:\n  - split: extra\n    path: data/test-*\n"
        )
        lay_out(folder, {"README.md": f"---\n{files}---\n", "train.en": "x\n", "train.fr": "y\n"})
        assert read(folder, "extra", configuration="x") == PAIRS[:2]
        assert "no split 'train'" in error_of(folder)
    else:
        assert read(folder) == PAIRS and read(folder, "test") == PAIRS[:2]
        assert "no split 'tset'; did you mean \"test\"?" in error_of(folder, "tset")


def test_a_readme_without_configs_is_only_a_readme(tmp_path):
    readme = "---\nlicense: x\n---\nconfigs:\n"
    assert read(lay_out(tmp_path / "a", {"train.tsv": tsv(), "README.md": readme})) == PAIRS


def test_missing_split_names_those_there(tmp_path):
    files = {
        "val.en": "a\n",
        "val.fr": "b\n",
        "tst.jsonl.gz": "",
        "half.en": "a\n",
        "mono.de": "a\n",
    }
    folder = lay_out(tmp_path / "a", files)
    message = error_of(folder, "valid")
    assert message == (
        f"data.path {folder}: no split 'valid'; did you mean \"val\"? (legal: tst, val)"
    )
    lay_out(tmp_path / "b", {f"x.{name}": content for name, content in files.items()})
    assert error_of(tmp_path / "b" / "x", "valid").endswith("(legal: tst, val)")


def test_missing_language_names_those_there(tmp_path):
    folder = lay_out(tmp_path / "a", {"train.en": "a\n", "train.fra.gz": "", "val.fr": "b\n"})
    assert error_of(folder) == (
        f"data.path {folder}: split 'train' has no file for language 'fr'; "
        'did you mean "fra"? (legal: en, fra)'
    )


@pytest.mark.parametrize("other", ["old/train.csv", "stats.json"])
def test_a_side_that_is_missing_is_not_looked_for_in_other_files(tmp_path, other):
    files = {"train.en": "a\n", "train.fra": "b\n", other: "en,fr\nwrong,faux\n"}
    folder = tmp_path / "a"
    (folder / other).parent.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    assert "split 'train' has no file for language 'fr'" in error_of(folder)


def test_a_home_folder_that_is_not_there_is_one_line():
    assert error_of("~no-such-user/corpus") == (
        "data.path ~no-such-user/corpus: no such home folder"
    )


def test_a_language_that_no_file_has_is_named_where_the_split_is_missing_too(tmp_path):
    folder = lay_out(tmp_path / "a", {"tst.en": "a\n", "tst.de": "a\n"})
    assert error_of(folder) == (
        f"data.path {folder}: no split 'train', which data.train names, and nothing of language "
        "'fr' (legal: de, en)"
    )


def test_empty_folder_and_missing_folder(tmp_path):
    message = error_of(lay_out(tmp_path / "a", {}))
    assert "no split 'train'" in message and "train.en and train.fr, train.tsv" in message
    assert error_of(tmp_path / "prefix") == (
        f"data.path {tmp_path / 'prefix'}: no such folder, nor any file whose name begins with "
        f"'prefix.', in {tmp_path}"
    )
    (tmp_path / "prefix.txt").touch()
    assert "no split 'train'" in error_of(tmp_path / "prefix")
    missing = tmp_path / "no" / "where"
    assert error_of(missing) == f"data.path {missing}: no such folder"


def test_a_split_that_is_there_twice_is_refused(tmp_path):
    folder = lay_out(tmp_path / "a", {"train.en": "", "train.en.gz": "", "train.fr": ""})
    assert "more than once (train.en, train.en.gz, train.fr); keep one" in error_of(folder)
    folder = lay_out(tmp_path / "b", {"train.tsv": "", "train.en": "", "train.fr": ""})
    assert "more than once (train.tsv, train.en, train.fr); keep one" in error_of(folder)


def test_empty_split(tmp_path):
    folder = lay_out(tmp_path / "a", {"train.en": "", "train.fr": "", "val.tsv": "en\tfr\n"})
    for name in ("train", "val"):
        assert f"split {name!r} is empty" in error_of(folder, name)


def test_path_to_a_file_says_how_to_name_it(tmp_path):
    folder = lay_out(tmp_path / "a", {"train.tsv": tsv()})
    message = error_of(folder / "train.tsv")
    assert f"data.path={folder} data.train=train" in message


@pytest.mark.parametrize("option", ["configuration", "revision"])
def test_options_of_hub_datasets_are_refused_for_text(tmp_path, option):
    folder = lay_out(tmp_path / "a", {"train.tsv": tsv()})
    assert f"data.{option} 'x' is for a Hub dataset" in error_of(folder, **{option: "x"})


def test_text_needs_no_heavy_import(tmp_path):
    lay_out(tmp_path / "a", {"train.tsv": tsv(), "val.jsonl": jsonl(), "t.en": "a", "t.fr": "b"})
    program = (
        "import sys; from nmt.config.schema import DataConfig; from nmt.data.corpus import *\n"
        "for name in ('train', 'val', 't'): load_split(DataConfig(path=sys.argv[1]), name)\n"
        "assert not {'datasets', 'pyarrow', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a")], check=True)
