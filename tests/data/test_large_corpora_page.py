"""What docs/large_corpora.md tells the reader to do, done in small."""

import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nmt.config.schema import CleaningConfig, DataConfig
from nmt.data.cleaning import Cleaner
from nmt.data.corpus import load_corpus, load_split

PAGE = (Path(__file__).parents[2] / "docs" / "large_corpora.md").read_text(encoding="utf-8")
NUM_SHARDS = 2


def make_pairs(count):
    return [(f" a{i % 70}  b", f"x{i % 70} y\u3000z") for i in range(count)]


def write(path, pairs):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"en": [s for s, _ in pairs], "fr": [t for _, t in pairs]}), path)


def card(folder):
    """The card of the page; its block is indented."""
    block = re.search(r"^    ---\n.*?^    ---\n", PAGE, re.S | re.M)[0]
    (folder / "README.md").write_text(re.sub("^    ", "", block, flags=re.M), encoding="utf-8")


def test_shards_that_are_cleaned_side_by_side_are_the_corpus_cleaned_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    pairs = make_pairs(100)
    raw, folder = tmp_path / "raw", tmp_path / "corpus"
    for number in range(4):
        write(raw / f"data/train-{number:05d}-of-00004.parquet", pairs[25 * number :][:25])
    program = tmp_path / "clean_shard.py"
    program.write_text(re.search(r"```python\n(.*?)```", PAGE, re.S)[1], encoding="utf-8")
    for split in ("validation", "test"):
        write(raw / f"data/{split}-00000-of-00001.parquet", [("a3 b", "held out")])
    card(raw)
    command = re.search(r"^    (seq 0 63 \|.*)$", PAGE, re.M)[1]
    for said, meant in (
        ("seq 0 63", f"seq 0 {NUM_SHARDS - 1}"),
        ("python clean_shard.py", f"{sys.executable} {program}"),
        ("my/dataset", str(raw)),
        ("64 corpus", f"{NUM_SHARDS} corpus"),
        ("corpus/data", str(folder / "data")),
    ):
        assert said in command
        command = command.replace(said, meant)
    subprocess.run(command, shell=True, check=True, capture_output=True)
    for split in ("validation", "test"):
        write(folder / f"data/{split}-00000-of-00001.parquet", [("a3 b", "held out")])
    card(folder)

    config = DataConfig(path=str(raw))
    cleaner = Cleaner(
        CleaningConfig(),
        source_language="en",
        target_language="fr",
        held_out=[load_split(config, "test")],
    )
    expected = cleaner.clean(load_split(config, "train"))
    again = CleaningConfig(nfc=False, whitespace=False, max_words=None, max_length_ratio=None)
    corpus = load_corpus(DataConfig(path=str(folder), cleaning=again), tmp_path / "run")
    assert corpus.report["pairs_in"] == 100  # no duplicates within a shard of fifty
    assert sorted(corpus.train.source) == sorted(expected.source)
    assert sorted(corpus.train.target) == sorted(expected.target) and len(expected) == 69


def test_the_time_of_a_pair_is_that_of_the_table():
    for phase, said in (
        ("cleaning", r"at (\d+) core microseconds a pair for cleaning"),
        ("encoding", r"and (\d+) for encoding"),
    ):
        core_seconds = float(re.search(rf"^\| {phase} \| \d+ \| (\d+) \|", PAGE, re.M)[1])
        assert int(re.search(said, PAGE)[1]) == round(1e6 * core_seconds / 5e6)  # 5 million pairs


def test_names_of_options_and_folders_are_those_of_the_program():
    for option in re.findall(r"data\.cleaning\.(\w+)", PAGE):
        assert hasattr(CleaningConfig(), option)
    for option in re.findall(r"`data\.(\w+)[`=]", PAGE):
        assert hasattr(DataConfig(path="x"), option)
