import random
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.config.schema import CleaningConfig, DataConfig, EmbeddedConfig
from nmt.data.corpus import load_corpus, load_split
from nmt.data.splits import Split
from nmt.errors import DataError

ROOT = Path(__file__).parents[2]
MULTI30K = ROOT.parent / "shared" / "corpora" / "multi30k"
SCRIPT = ROOT / "scripts" / "fingerprints.py"


def write(folder, split, pairs, languages=("en", "de")):
    for language, lines in zip(languages, zip(*pairs, strict=True), strict=True):
        text = "".join(f"{line}\n" for line in lines)
        (folder / f"{split}.{language}").write_bytes(text.encode())


def make_pairs(count, seed=0, alphabet="abc éß日\u2028\x0c\"'"):
    rng = random.Random(seed)

    def side():
        return "x" + "".join(rng.choices(alphabet, k=rng.randrange(30)))

    return [(side(), side()) for _ in range(count)]


@pytest.fixture
def folder(tmp_path):
    train = [("a  b", "c d"), ("a b", "c d"), ("", "e"), ("held", "out"), ("f", "g")]
    write(tmp_path, "train", train)
    write(tmp_path, "dev", [(" x ", ""), (" x ", "")])
    write(tmp_path, "one", [("held", "y\xa0")])
    write(tmp_path, "two", [("z", "z")])
    return tmp_path


def config_for(folder, **options):
    defaults = {"target_language": "de", "validation": "dev", "test": ("one", "two")}
    return DataConfig(**{"path": str(folder), **defaults, **options})


def sides(split):
    return list(zip(split.source, split.target, strict=True))


def test_training_is_cleaned_and_the_rest_is_raw(folder):
    corpus = load_corpus(config_for(folder))
    assert sides(corpus.train) == [("a b", "c d"), ("f", "g")]
    assert sides(corpus.validation) == [(" x ", ""), (" x ", "")]
    assert list(corpus.tests) == ["one", "two"]
    assert sides(corpus.tests["one"]) == [("held", "y\xa0")]
    assert (corpus.report.pairs_in, corpus.report.pairs_out) == (5, 2)


def test_any_split_can_be_read_alone_and_is_raw(folder):
    config = config_for(folder, test=("one",))
    assert len(load_split(config, "train")) == 5
    assert sides(load_split(config, "two")) == [("z", "z")]


def test_max_examples_limits_training_before_cleaning_and_nothing_else(folder):
    corpus = load_corpus(config_for(folder, max_examples=1))
    assert sides(corpus.train) == [("a b", "c d")] and corpus.report.pairs_in == 1
    assert len(corpus.validation) == 2
    assert len(load_split(config_for(folder, max_examples=3), "train")) == 3


def test_fingerprints_name_every_split_raw_and_the_cleaned_training(folder):
    config = config_for(folder)
    fingerprints = load_corpus(config).fingerprints()
    for name in ("train", "dev", "one", "two"):
        assert fingerprints[name] == load_split(config, name).fingerprint
    cleaned = Split("any", ["a b", "f"], ["c d", "g"])
    assert fingerprints.pop("train (cleaned)") == cleaned.fingerprint
    assert list(fingerprints) == ["train", "dev", "one", "two"]
    assert len(set(fingerprints.values())) == 4


def test_cleaning_that_leaves_nothing_names_the_rule(folder):
    with pytest.raises(DataError) as caught:
        load_corpus(config_for(folder, train="dev", cleaning=CleaningConfig(whitespace=False)))
    assert str(caught.value) == (
        "cleaning removed all 2 pairs of split 'dev', 2 of them by data.cleaning.empty; "
        "wanted one or more left"
    )


def test_embedded_corpus_keeps_its_links_through_cleaning():
    embedded = EmbeddedConfig(num_train=60, num_validation=10, num_test=10)
    corpus = load_corpus(DataConfig(path="embedded", embedded=embedded))
    raw = load_split(DataConfig(path="embedded", embedded=embedded), "train")
    assert corpus.report.pairs_out == 60, str(corpus.report)
    assert corpus.train.links == raw.links


def test_five_forms_have_one_fingerprint_and_changes_another(tmp_path, capsys):
    pairs = make_pairs(500)
    write(tmp_path, "train", pairs)
    assert runpy.run_path(str(SCRIPT))["main"]([str(tmp_path)]) == 0
    printed = [line.split()[-1] for line in capsys.readouterr().out.splitlines()]
    title, *same, changed, swapped, _ = printed
    expected = Split("x", [s for s, _ in pairs], [t for _, t in pairs]).fingerprint
    assert same == [expected] * 6 and title == "pairs"
    assert len({expected, changed, swapped}) == 3


def test_a_tab_in_a_sentence_leaves_out_the_tsv_alone(tmp_path, capsys):
    write(tmp_path, "train", [*make_pairs(20), ("a\tb", "c")])
    assert runpy.run_path(str(SCRIPT))["main"]([str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "21 pairs, 1 of them with a tab" in printed and "20 pairs without a tab" in printed
    assert printed.count("(b) .tsv") == 1 and printed.count("(c) .jsonl") == 2


@pytest.mark.parametrize("constant", [True, False])
def test_the_script_fails_where_fingerprints_are_wrong(tmp_path, monkeypatch, constant):
    write(tmp_path, "train", make_pairs(20))
    values = iter(range(100))
    wrong = property(lambda split: "same" if constant else str(next(values)))
    monkeypatch.setattr(Split, "fingerprint", wrong)
    assert runpy.run_path(str(SCRIPT))["main"]([str(tmp_path)]) == 1


def test_the_script_as_a_command_says_what_is_missing(tmp_path):
    write(tmp_path, "train", make_pairs(3))
    command = [sys.executable, str(SCRIPT), str(tmp_path), "--split", "trian"]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": "."}, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and 'did you mean "train"?' in done.stderr


@pytest.mark.skipif(not MULTI30K.is_dir(), reason="the corpus is not beside the repository")
def test_five_forms_of_multi30k_have_one_fingerprint():
    main = runpy.run_path(str(SCRIPT))["main"]
    assert main([str(MULTI30K), "--split", "train", "val", "test_2016_flickr"]) == 0


@pytest.mark.skipif(not MULTI30K.is_dir(), reason="the corpus is not beside the repository")
def test_multi30k_loses_little_to_cleaning():
    config = config_for(MULTI30K, validation="val", test=("test_2016_flickr",))
    corpus = load_corpus(config)
    assert (corpus.report.pairs_in, len(corpus.validation)) == (29_000, 1014)
    assert len(corpus.tests["test_2016_flickr"]) == 1000
    assert corpus.report.pairs_out > 28_900
    raw = load_split(config, "train")
    assert len(set(sides(corpus.train)) - set(sides(raw))) < 200  # few are changed
