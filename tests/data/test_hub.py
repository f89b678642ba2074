import json
import logging
import os
import random
from dataclasses import replace
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nmt.config.schema import DataConfig
from nmt.data import streams
from nmt.data.columns import Columns
from nmt.data.corpus import load_split
from nmt.data.gold import load_gold
from nmt.data.hub import iter_parquet, open_dataset
from nmt.data.readers import open_split, read_split
from nmt.data.splits import Split
from nmt.data.streams import in_parts, joined
from nmt.errors import DataError

CARD = """---
configs:
- config_name: en-fr
  data_files:
  - split: train
    path: en-fr/train-*
  - split: validation
    path: en-fr/validation-*
- config_name: de-fr
  data_files:
  - split: train
    path: de-fr/train-*
---
# A corpus
"""
LANGUAGES = ("en", "fr")


@pytest.fixture(autouse=True)
def quiet_and_offline(monkeypatch, tmp_path):
    import datasets
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def read_dataset(config, name, limit=None):
    return joined(name, in_parts(name, islice(open_dataset(config, name).rows(), limit)))


def read_parquet(path, limit=None):
    return joined("x", in_parts("x", islice(iter_parquet(path, Columns(*LANGUAGES)), limit)))


MUST = Columns(*LANGUAGES, "links", must_have_links=True)
MAY = Columns(*LANGUAGES, "links")


def make_pairs(count, seed=0):
    rng = random.Random(seed)

    def side():
        return "".join(rng.choices('ab é日\t\n"', k=rng.randrange(12)))

    return [(side(), side()) for _ in range(count)]


def as_translation(pairs, languages=LANGUAGES):
    return pa.table({"translation": [dict(zip(languages, pair, strict=True)) for pair in pairs]})


def as_columns(pairs, languages=LANGUAGES):
    source, target = (list(side) for side in zip(*pairs, strict=True))
    return pa.table({"id": list(range(len(pairs))), languages[1]: target, languages[0]: source})


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "corpus"
    for name in ("en-fr", "de-fr"):
        (root / name).mkdir(parents=True)
    (root / "README.md").write_text(CARD)
    train = make_pairs(25_000)
    for shard, part in enumerate((train[:13_000], train[13_000:])):
        pq.write_table(as_translation(part), root / f"en-fr/train-{shard:05d}-of-00002.parquet")
    pq.write_table(
        as_translation(make_pairs(7, 1)), root / "en-fr/validation-00000-of-00001.parquet"
    )
    pq.write_table(
        as_columns(make_pairs(5, 2), ("de", "fr")), root / "de-fr/train-00000-of-00001.parquet"
    )
    return root


def config_for(root, **options):
    return DataConfig(**{"path": str(root), "configuration": "en-fr", **options})


def pairs_of(split):
    return list(zip(split.source, split.target, strict=True))


def error_of(function, *arguments):
    with pytest.raises(DataError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("options", [{}, {"streaming": True}])
@pytest.mark.parametrize("place", ["path", "hub"])
def test_translation_layout_in_shards(folder, options, place, capsys):
    # `datasets` takes a folder for a Hub name too: so the way of a Hub dataset is tested offline.
    config = DataConfig(**{place: str(folder), "configuration": "en-fr", **options})
    assert pairs_of(read_dataset(config, "train")) == make_pairs(25_000)
    assert pairs_of(read_dataset(config, "validation")) == make_pairs(7, 1)
    for limit in (1, 1000, 9_999, 10_000, 10_001, 14_000):
        assert pairs_of(read_dataset(config, "train", limit)) == make_pairs(25_000)[:limit]
    assert capsys.readouterr().out == ""


def test_flat_columns_are_found_by_name_in_either_direction(folder):
    config = config_for(folder, configuration="de-fr", source_language="fr", target_language="de")
    assert pairs_of(read_dataset(config, "train")) == [(t, s) for s, t in make_pairs(5, 2)]


@pytest.mark.parametrize("place", ["path", "hub"])
def test_part_of_a_split(folder, place):
    config = DataConfig(**{place: str(folder), "configuration": "en-fr"})
    assert pairs_of(read_dataset(config, "train[10:20]")) == make_pairs(25_000)[10:20]


def test_streaming_downloads_nothing(folder, monkeypatch):
    import datasets

    def download(*arguments, **options):
        raise AssertionError("all of it would be downloaded")

    monkeypatch.setattr(datasets.DatasetBuilder, "download_and_prepare", download)
    config = DataConfig(hub=str(folder), configuration="en-fr")
    assert "all of it would be downloaded" in error_of(read_dataset, config, "train")
    streamed = read_dataset(replace(config, streaming=True), "train", 10)
    assert pairs_of(streamed) == make_pairs(25_000)[:10]


def test_part_of_a_split_cannot_be_streamed(folder):
    message = error_of(read_dataset, config_for(folder, streaming=True), "train[:10]")
    assert "data.streaming cannot read a part of a split; got 'train[:10]'" in message


@pytest.mark.parametrize(
    ("options", "split", "message"),
    [
        ({"configuration": None}, "train", "got none (legal: en-fr, de-fr)"),
        (
            {"configuration": "en-frr"},
            "train",
            "no configuration 'en-frr'; did you mean \"en-fr\"?",
        ),
        ({}, "valid", "no split 'valid'; did you mean \"validation\"? (legal: train, validation)"),
        ({}, "trian[:5]", "no split 'trian'; did you mean \"train\"?"),
        (
            {"target_language": "de"},
            "train",
            "split train: no column 'de'; did you mean \"en\"? (legal: en, fr)",
        ),
        ({"configuration": "de-fr"}, "train", "no column 'en'"),
    ],
)
def test_errors_name_what_is_there(folder, options, split, message):
    found = error_of(read_dataset, config_for(folder, **options), split)
    assert found.startswith(f"data.path {folder}") and message in found


def test_unreachable_dataset_is_one_line():
    message = error_of(read_split, DataConfig(hub="nobody/nothing"), "train")
    assert message.startswith("data.hub nobody/nothing: cannot be read: ")


@pytest.mark.parametrize("layout", [as_translation, as_columns])
@pytest.mark.parametrize("limit", [None, 1, 10_001])
def test_parquet_file(tmp_path, layout, limit):
    pairs = make_pairs(20_500)
    pq.write_table(layout(pairs), tmp_path / "x.parquet")
    assert pairs_of(read_parquet(tmp_path / "x.parquet", limit)) == pairs[:limit]


def test_parquet_nul_is_named_by_row(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(as_columns([("a", "b")] * 10_003 + [("a\0", "b")]), path)
    assert f"{path}, row 10004: a NUL character" in error_of(read_parquet, path)


@pytest.mark.parametrize("place", ["path", "hub"])
def test_parts_are_small_and_the_state_tells_of_a_change(folder, place):
    config = DataConfig(**{place: str(folder), "configuration": "en-fr"})
    stream = open_split(config, "train")
    assert max(map(len, stream)) <= 10_000 and sum(map(len, stream)) == 25_000
    assert stream.state is not None and json.loads(json.dumps(stream.state)) == stream.state
    assert open_split(config, "train").state == stream.state
    path = folder / "en-fr/train-00001-of-00002.parquet"
    os.utime(path, ns=(path.stat().st_mtime_ns + 10**9,) * 2)
    assert open_split(config, "train").state != stream.state


@pytest.mark.parametrize("place", ["path", "hub"])
def test_parts_are_bounded_in_characters_too(folder, place, monkeypatch):
    monkeypatch.setattr(streams, "PART_CHARACTERS", 200)
    config = DataConfig(**{place: str(folder), "configuration": "en-fr"})
    long = [("é" * 90, "日" * 90)] * 5
    pq.write_table(as_translation(long), folder / "en-fr/validation-00000-of-00001.parquet")
    assert [len(part) for part in open_split(config, "validation")] == [2, 2, 1]


def test_parts_of_a_parquet_file_are_bounded_in_characters_too(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "PART_CHARACTERS", 200)
    pq.write_table(as_columns([("a" * 90, "b" * 90)] * 5), tmp_path / "x.parquet")
    config = DataConfig(path=str(tmp_path))
    assert [len(part) for part in open_split(config, "x")] == [2, 2, 1]


def with_links(table, links):
    return table.append_column("links", pa.array(links))


@pytest.mark.parametrize("layout", [as_translation, as_columns])
def test_parquet_links_are_a_column_of_their_own(tmp_path, layout):
    path, pairs = tmp_path / "x.parquet", make_pairs(2_500)
    links = [f"{i}-0" for i in range(2_499)] + [""]
    pq.write_table(with_links(layout(pairs), links), path)
    rows = [
        (*pair, (text, f"{path}, row {row}"))
        for row, (pair, text) in enumerate(zip(pairs, links, strict=True), 1)
    ]
    assert list(iter_parquet(path, MUST)) == list(iter_parquet(path, MAY)) == rows
    assert list(iter_parquet(path, Columns(*LANGUAGES))) == pairs
    pq.write_table(layout(pairs), path)
    assert list(iter_parquet(path, MAY)) == pairs
    assert f"{path}: no column 'links'" in error_of(list, iter_parquet(path, MUST))


def test_parquet_links_are_at_all_pairs_or_at_none(tmp_path):
    path, table = tmp_path / "x.parquet", as_columns([("a", "b")] * 2_500)
    for nulls, row in (
        ({1_700}, 1_701),
        (set(range(1_000)), 1_001),
        (set(range(1_000, 2_500)), 1_001),
    ):
        links = [None if i in nulls else "0-0" for i in range(2_500)]
        pq.write_table(with_links(table, links), path)
        message = error_of(list, iter_parquet(path, MAY))
        assert message.startswith(f"{path}, row {row}: wanted 'links' at all pairs")
        message = error_of(list, iter_parquet(path, MUST))
        assert message.endswith(f"row {min(nulls) + 1}: column 'links' must hold text; got null")
    for nothing in (pa.nulls(2_500), pa.nulls(2_500, pa.string())):
        pq.write_table(with_links(table, nothing), path)
        assert list(iter_parquet(path, MAY)) == [("a", "b")] * 2_500
        assert "'links' must hold text; got null" in error_of(list, iter_parquet(path, MUST))
    pq.write_table(with_links(table, [[0, 0]] * 2_500), path)
    for columns in (MAY, MUST):
        assert "'links' must hold text; got list" in error_of(list, iter_parquet(path, columns))


@pytest.mark.parametrize("options", [{}, {"streaming": True}])
@pytest.mark.parametrize("place", ["path", "hub"])
def test_links_of_a_dataset(folder, options, place):
    pairs = [("a b", "c"), ("d", "e f"), ("", "g")]
    for split, links in (("train", ["1-0", "0-0 0p1", ""]), ("validation", [None] * 3)):
        for old in folder.glob(f"en-fr/{split}-*"):
            old.unlink()
        table = with_links(as_translation(pairs), pa.array(links, pa.string()))
        pq.write_table(table, folder / f"en-fr/{split}-00000-of-00001.parquet")
    config = DataConfig(
        **{place: str(folder)}, configuration="en-fr", links="links", max_examples=2, **options
    )
    split = load_split(config, "train")
    assert pairs_of(split) == pairs[:2] and split.links == [[(1, 0)], [(0, 0)]]
    same = Split("x", split.source, split.target, [[(1, 0)], [(0, 0)]])
    assert split.fingerprint == same.fingerprint
    assert [sorted(gold.possible) for gold in load_gold(config, "train")] == [
        [(1, 0)],
        [(0, 0), (0, 1)],
    ]
    assert load_split(config, "validation").links is None
    assert load_gold(config, "validation") is None
    wrong = replace(config, links="link")
    assert "split train: no column 'link'; did you mean \"links\"?" in error_of(
        load_split, wrong, "train"
    )
    backwards = replace(config, source_language="fr", target_language="en")
    message = error_of(load_split, backwards, "train")  # the links are not turned around
    assert "split train, row 1: link 1-0" in message and message.endswith("2 target words")


def test_in_a_csv_file_none_and_nothing_are_texts(tmp_path):
    rows = [("None", "NA"), ("null", ""), ("nan", "a, b")]
    lines = "".join(f'"{source}","{target}"\n' for source, target in rows)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.csv").write_text(f"en,fr\n{lines}")
    (part,) = open_split(DataConfig(path=str(folder)), "train")
    assert list(zip(part.source, part.target, strict=True)) == rows


@pytest.mark.parametrize("name", ["csv", "json", "parquet", "text"])
def test_a_folder_named_as_a_format_is_that_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name / "data").mkdir(parents=True)
    pq.write_table(as_columns([("a", "b")]), tmp_path / name / "data/train-00000-of-00001.parquet")
    pq.write_table(as_columns([("wrong", "faux")]), tmp_path / "train.parquet")
    (tmp_path / "train.csv").write_text("en,fr\nwrong,faux\n")
    (tmp_path / "train.json").write_text('{"en": "wrong", "fr": "faux"}\n')
    assert pairs_of(read_split(DataConfig(path=name), "train")) == [("a", "b")]


@pytest.mark.parametrize("name", ["csv", "json", "parquet", "text"])
def test_a_format_is_no_dataset_of_the_hub(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text("en,fr\nwrong,faux\n")
    assert error_of(read_split, DataConfig(hub=name), "train") == (
        f"data.hub {name}: wanted a dataset of the Hub, such as OWNER/NAME; got the name of a "
        "format of files (data.path names files)"
    )


def test_a_hub_out_of_reach_is_two_lines(monkeypatch, caplog):
    import datasets

    def warn_and_fail(*arguments, **options):
        assert arguments == ("owner/name", None) and options == {"revision": "v1"}
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 8s [Retry 5/5].")
        raise ConnectionError("Couldn't reach 'owner/name' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset_builder", warn_and_fail)
    caplog.set_level(logging.INFO)
    message = error_of(read_split, DataConfig(hub="owner/name", revision="v1"), "train")
    assert message == "data.hub owner/name: cannot be read: Couldn't reach 'owner/name' on the Hub"
    assert caplog.messages == ["looking for owner/name on the Hugging Face Hub"]
    logging.getLogger("huggingface_hub.utils._http").warning("of something else")
    assert caplog.messages[1:] == ["of something else"]


def test_parquet_null_is_named_by_row(tmp_path):
    flat = as_columns([("a", "b")] * 10_003).to_pydict()
    flat["fr"][10_001] = None
    nested = [{"en": "a", "fr": "b"}, None]
    for number, (table, row) in enumerate(((flat, 10_002), ({"translation": nested}, 2))):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table(table), path)
        assert f"{path}, row {row}: column " in error_of(read_parquet, path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"en": ["a"], "de": ["b"]}, "no column 'fr' (legal: en, de)"),
        ({"en": ["a"], "fr": [3]}, "column 'fr' must hold text; got int64"),
        ({"translation": ["a"]}, "must hold {language: text} dicts; got string"),
    ],
)
def test_parquet_errors(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert message in error_of(read_parquet, tmp_path / "x.parquet")


def test_no_parquet_file_at_all(tmp_path):
    (tmp_path / "x.parquet").write_text("text")
    message = error_of(read_parquet, tmp_path / "x.parquet")
    assert message.startswith(f"{tmp_path / 'x.parquet'}: cannot be read: ")
