import gzip
import json
import lzma
import subprocess
import sys

import pytest

from nmt.config.schema import DataConfig, EmbeddedConfig
from nmt.data.readers import read_split
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


def test_parquet_beside_other_splits(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
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
    datasets = pytest.importorskip("datasets")
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


def test_a_language_that_no_file_has_is_named_where_the_split_is_missing_too(tmp_path):
    folder = lay_out(tmp_path / "a", {"tst.en": "a\n", "tst.de": "a\n"})
    assert error_of(folder) == (
        f"data.path {folder}: no split 'train', and nothing of language 'fr'; (legal: de, en)"
    )


def test_empty_folder_and_missing_folder(tmp_path):
    message = error_of(lay_out(tmp_path / "a", {}))
    assert "no split 'train'" in message and "train.en and train.fr, train.tsv" in message
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


def test_embedded_corpus_in_both_directions():
    embedded = EmbeddedConfig(num_train=40, num_validation=10, num_test=10)
    forth = DataConfig(path="embedded", embedded=embedded)
    back = DataConfig(
        path="embedded", embedded=embedded, source_language="fr", target_language="en"
    )
    for name, count in (("train", 40), ("validation", 10), ("test", 10)):
        english, french = read_split(forth, name), read_split(back, name)
        assert len(english) == count
        assert (english.source, english.target) == (french.target, french.source)
        for links, swapped in zip(english.links, french.links, strict=True):
            assert set(links) == {(i, j) for j, i in swapped}
        for source, links in zip(english.source, english.links, strict=True):
            assert links and max(i for i, _ in links) < len(source.split())
    first = read_split(forth, "train", 7)
    whole = read_split(forth, "train")
    assert (first.source, first.links) == (whole.source[:7], whole.links[:7])


def test_embedded_corpus_names_its_splits_and_languages():
    assert "no split 'valid'; did you mean \"validation\"?" in error_of("embedded", "valid")
    assert "wanted the languages en and fr" in error_of("embedded", target_language="de")


def test_text_needs_no_heavy_import(tmp_path):
    lay_out(tmp_path / "a", {"train.tsv": tsv(), "val.jsonl": jsonl(), "t.en": "a", "t.fr": "b"})
    program = (
        "import sys; from nmt.config.schema import DataConfig; from nmt.data.corpus import *\n"
        "for name in ('train', 'val', 't'): load_split(DataConfig(path=sys.argv[1]), name)\n"
        "assert not {'datasets', 'pyarrow', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a")], check=True)
