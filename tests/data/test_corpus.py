import json
import os
import random
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nmt.config.schema import CleaningConfig, DataConfig, EmbeddedConfig
from nmt.data import grammar, readers, streams
from nmt.data.cleaning import Cleaner
from nmt.data.corpus import load_corpus, load_split
from nmt.data.splits import Split
from nmt.errors import DataError, RunError

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
def run(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def folder(tmp_path):
    tmp_path = tmp_path / "corpus"
    tmp_path.mkdir()
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


def test_training_is_cleaned_and_the_rest_is_raw(folder, run):
    corpus = load_corpus(config_for(folder), run)
    assert sides(corpus.train) == [("a b", "c d"), ("f", "g")]
    assert sides(corpus.validation) == [(" x ", ""), (" x ", "")]
    assert (corpus.report["pairs_in"], corpus.report["pairs_out"]) == (5, 2)
    assert sides(load_split(config_for(folder), "one")) == [("held", "y\xa0")]


def test_what_is_in_validation_alone_is_no_training_pair(folder, run):
    write(folder, "train", [("v", "w"), ("f", "g")])
    write(folder, "dev", [("v", "x")])
    assert sides(load_corpus(config_for(folder), run).train) == [("f", "g")]


def test_each_side_is_measured_in_its_own_language(tmp_path, run):
    pairs = [("a b", "一二三四"), ("a b c d", "日"), ("a b c", "日本")]  # of 3 words at most
    folder = tmp_path / "corpus"
    folder.mkdir()
    for split, lines in {"train": pairs, "dev": [("z", "z")], "one": [("y", "y")]}.items():
        write(folder, split, lines, languages=("en", "zh"))
    cleaning = CleaningConfig(max_words=3)
    config = config_for(folder, target_language="zh", test=("one",), cleaning=cleaning)
    assert sides(load_corpus(config, run).train) == [("a b c", "日本")]


def test_any_split_can_be_read_alone_and_is_raw(folder):
    config = config_for(folder, test=("one",))
    assert len(load_split(config, "train")) == 5
    assert sides(load_split(config, "two")) == [("z", "z")]


def test_max_examples_limits_training_before_cleaning_and_nothing_else(folder, run):
    corpus = load_corpus(config_for(folder, max_examples=1), run)
    assert sides(corpus.train) == [("a b", "c d")] and corpus.report["pairs_in"] == 1
    assert len(corpus.validation) == 2
    assert len(load_split(config_for(folder, max_examples=3), "train")) == 3


def test_fingerprints_name_every_split_raw_and_the_cleaned_training(folder, run):
    config = config_for(folder)
    fingerprints = dict(load_corpus(config, run).fingerprints)
    for name in ("train", "dev", "one", "two"):
        assert fingerprints[name] == load_split(config, name).fingerprint
    cleaned = Split("any", ["a b", "f"], ["c d", "g"])
    assert fingerprints.pop("train (cleaned)") == cleaned.fingerprint
    assert list(fingerprints) == ["train", "dev", "one", "two"]
    assert len(set(fingerprints.values())) == 4


@pytest.mark.parametrize("part", [1, 7, 1000])
def test_what_is_cleaned_in_parts_is_what_is_cleaned_at_once(tmp_path, run, monkeypatch, part):
    monkeypatch.setattr(streams, "PART_PAIRS", part)
    pairs = make_pairs(300, alphabet="ab \u3000\x0c")
    write(tmp_path, "train", pairs)
    write(tmp_path, "dev", pairs[:20])
    config = config_for(tmp_path, test=("dev",))
    raw, held_out = load_split(config, "train"), load_split(config, "dev")
    languages = {"source_language": "en", "target_language": "de"}
    cleaner = Cleaner(config.cleaning, held_out=[held_out], **languages)
    expected, report = cleaner.clean(raw), cleaner.report
    corpus = load_corpus(config, run)
    assert sides(corpus.train) == sides(expected) and 10 < len(expected) < 290
    assert corpus.report == report.to_dict()
    assert corpus.fingerprints["train"] == raw.fingerprint
    assert corpus.fingerprints["train (cleaned)"] == expected.fingerprint


def test_cleaning_that_leaves_nothing_names_the_rule(folder, run):
    config = config_for(folder, train="dev", cleaning=CleaningConfig(whitespace=False))
    with pytest.raises(DataError) as caught:
        load_corpus(config, run)
    assert str(caught.value) == (
        "cleaning removed all 2 pairs of split 'dev', 2 of them by data.cleaning.empty; "
        "wanted one or more left"
    )
    assert files_in(run) == {}


def test_embedded_corpus_keeps_its_links_through_cleaning(run):
    embedded = EmbeddedConfig(num_train=60, num_validation=10, num_test=10)
    config = DataConfig(path="embedded", embedded=embedded)
    raw = load_split(config, "train")
    for _ in range(2):  # made, and opened
        corpus = load_corpus(config, run)
        assert corpus.report["pairs_out"] == 60, corpus.report
        assert list(corpus.train.links) == raw.links


def test_the_embedded_corpus_is_made_again_only_where_it_may_have_changed(run, monkeypatch):
    embedded = EmbeddedConfig(num_train=60, num_validation=10, num_test=10)
    config = DataConfig(path="embedded", embedded=embedded)
    first = load_corpus(config, run)
    made, real = [], grammar.iter_split

    def iter_split(name, config):
        made.append(name)
        return real(name, config)

    monkeypatch.setattr(grammar, "iter_split", iter_split)
    assert load_corpus(config, run).fingerprints == first.fingerprints
    assert made == ["validation", "test"]
    monkeypatch.setattr(grammar, "fingerprint", lambda: "of another version")
    assert load_corpus(config, run).fingerprints == first.fingerprints
    assert made.count("train") == 1
    other = replace(config, embedded=replace(embedded, seed=2))
    assert load_corpus(other, run).fingerprints["train"] != first.fingerprints["train"]


def files_in(folder):
    """What is written where, with the time of its last change."""
    if not folder.exists():
        return {}
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def forbid_reading(monkeypatch, name):
    """Reading this split is an error from here on."""
    real = readers.iter_parallel

    def iter_parallel(*paths):
        assert not any(name in path.name for path in paths)
        return real(*paths)

    monkeypatch.setattr(readers, "iter_parallel", iter_parallel)


def test_kept_text_is_opened_without_reading_or_writing(folder, run, monkeypatch):
    first = load_corpus(config_for(folder), run)
    before = files_in(run)
    forbid_reading(monkeypatch, "train")
    again = load_corpus(config_for(folder), run)
    assert sides(again.train) == sides(first.train) and again.report == first.report
    assert list(again.fingerprints.items()) == list(first.fingerprints.items())
    assert files_in(run) == before


def test_files_that_were_touched_or_moved_are_read_once_more_and_then_known(
    folder, run, tmp_path, monkeypatch
):
    first = load_corpus(config_for(folder), run)
    os.utime(folder / "train.en", ns=(1, 1))
    text = {path: content for path, content in files_in(run).items() if path.suffix == ".npy"}
    assert load_corpus(config_for(folder), run).fingerprints == first.fingerprints
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in folder.glob("*.*"):
        (elsewhere / path.name).write_bytes(path.read_bytes())
    assert load_corpus(config_for(elsewhere), run).fingerprints == first.fingerprints
    after = {path: content for path, content in files_in(run).items() if path.suffix == ".npy"}
    assert text == after  # it was not cleaned again
    forbid_reading(monkeypatch, "train")
    load_corpus(config_for(elsewhere), run)


@pytest.mark.parametrize("split", ["train", "dev", "one"])
def test_a_changed_corpus_must_be_accepted_before_anything_is_replaced(folder, run, split):
    first = load_corpus(config_for(folder), run)
    before = files_in(run)
    write(folder, split, [("new", "neu"), ("other", "anders")])
    asked = []

    def refuse(fingerprints):
        asked.append(dict(fingerprints))
        raise RunError("changed")

    with pytest.raises(RunError):
        load_corpus(config_for(folder), run, accept=refuse)
    assert len(asked) == 1 and asked[0][split] != first.fingerprints[split]
    assert files_in(run) == before
    changed = load_corpus(config_for(folder), run)
    assert changed.fingerprints[split] == load_split(config_for(folder), split).fingerprint
    if split == "train":
        assert sides(changed.train) == [("new", "neu"), ("other", "anders")]


def test_other_settings_clean_again(folder, run):
    load_corpus(config_for(folder), run)
    config = config_for(folder, cleaning=CleaningConfig(duplicates=False, test_overlap=False))
    assert len(load_corpus(config, run).train) == 4


@pytest.mark.parametrize("name", ["source_values.npy", "target_offsets.npy", "made_from.json"])
def test_damaged_text_is_made_again(folder, run, name):
    expected = sides(load_corpus(config_for(folder), run).train)
    content = (run / "cleaned" / name).read_bytes()
    (run / "cleaned" / name).write_bytes(content[:-10])
    assert sides(load_corpus(config_for(folder), run).train) == expected
    assert (run / "cleaned" / name).read_bytes() == content


@pytest.mark.parametrize(
    "change", [{"fingerprints": []}, {"fingerprints": {}}, {"report": 1}, {"state": 3}, {"new": 1}]
)
def test_a_note_that_is_no_such_note_is_made_again(folder, run, change):
    first = load_corpus(config_for(folder), run)
    path = run / "cleaned" / "made_from.json"
    content = path.read_text()
    path.write_text(json.dumps(json.loads(content) | change))
    assert load_corpus(config_for(folder), run).fingerprints == first.fingerprints
    assert path.read_text() == content


def test_a_note_that_is_nested_without_end_is_made_again(folder, run):
    first = load_corpus(config_for(folder), run)
    path = run / "cleaned" / "made_from.json"
    content = path.read_text()
    path.write_text("[" * 200_000)
    assert load_corpus(config_for(folder), run).fingerprints == first.fingerprints
    assert path.read_text() == content


def test_who_may_not_write_finds_the_text_or_says_that_it_is_not_there(folder, run, caplog):
    with pytest.raises(RunError) as caught:
        load_corpus(config_for(folder), run, may_write=False)
    assert str(caught.value) == (
        "this process does not find what the first one has prepared in "
        f"{run / 'cleaned'}; the run must lie on a file system that all of them share"
    )
    assert not run.exists()
    first = load_corpus(config_for(folder), run)
    os.utime(folder / "train.en", ns=(1, 1))
    before = files_in(run)
    found = load_corpus(config_for(folder), run, may_write=False)
    assert sides(found.train) == sides(first.train) and found.report == first.report
    assert files_in(run) == before
    (run / "cleaned" / "source_offsets.npy").write_bytes(b"")
    before = files_in(run)
    with pytest.raises(RunError, match="does not find"):
        load_corpus(config_for(folder), run, may_write=False)
    assert files_in(run) == before


def test_a_check_that_raises_leaves_nothing(folder, run, monkeypatch):
    monkeypatch.setattr(streams, "PART_PAIRS", 1)
    calls = []

    def check():
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_corpus(config_for(folder), run, check=check)
    assert files_in(run) == {} and list(run.rglob("*")) == []


@pytest.fixture
def linked(folder):
    """The corpus with links of its training pairs."""
    (folder / "train.links").write_text("0-0\n1-0 0-1\n\n0-0 0p0\n0-0\n")
    return folder


def linked_config(folder, **options):
    return config_for(folder, **{"links": "links", **options})


def test_links_stay_with_their_pairs(linked, run):
    for _ in range(2):  # cleaned, and opened
        corpus = load_corpus(linked_config(linked), run)
        assert sides(corpus.train) == [("a b", "c d"), ("f", "g")]
        assert list(corpus.train.links) == [[(0, 0)], [(0, 0)]]  # the first of two equal pairs
        assert corpus.validation.links is None
    cleaned = Split("x", ["a b", "f"], ["c d", "g"], [[(0, 0)], [(0, 0)]])
    assert corpus.cleaned_fingerprint == cleaned.fingerprint
    first = load_corpus(linked_config(linked, max_examples=2), run)
    assert list(first.train.links) == [[(0, 0)]]
    rules = {"duplicates": False, "empty": False, "test_overlap": False, "max_length_ratio": None}
    config = linked_config(linked, cleaning=CleaningConfig(**rules))
    corpus = load_corpus(config, run)
    assert list(corpus.train.links) == [[(0, 0)], [(0, 1), (1, 0)], [], [(0, 0)], [(0, 0)]]


@pytest.mark.parametrize("part", [1, 7, 1000])
def test_links_are_those_of_their_pairs_in_parts_of_any_size(tmp_path, run, monkeypatch, part):
    monkeypatch.setattr(streams, "PART_PAIRS", part)
    pairs = [(f"w{i % 90}" + " a" * (i % 5), "b  c" * (i % 4)) for i in range(300)]
    write(tmp_path, "train", pairs)
    write(tmp_path, "dev", [(pair[0], "x") for pair in pairs[:20]])
    lines = [f"{i % 5}-0" if target else "" for i, (_, target) in enumerate(pairs)]
    (tmp_path / "train.links").write_text("".join(f"{line}\n" for line in lines))
    corpus = load_corpus(linked_config(tmp_path, test=("dev",)), run)
    expected = {}
    for (source, target), line in zip(pairs, lines, strict=True):
        pair = source, " ".join(target.split())
        expected.setdefault(pair, [(int(line.split("-")[0]), 0)] if line else [])
    kept = list(zip(sides(corpus.train), corpus.train.links, strict=True))
    assert 20 < len(kept) < 290
    assert all(expected[pair] == links for pair, links in kept)


def test_other_links_are_another_corpus(linked, run):
    first = load_corpus(linked_config(linked), run)
    before = files_in(run)
    (linked / "train.links").write_text("0-0 1-1\n1-0 0-1\n\n0-0\n0-0\n")
    asked = []

    def refuse(fingerprints):
        asked.append(dict(fingerprints))
        raise RunError("changed")

    for config in (linked_config(linked), config_for(linked)):  # other links, and none
        with pytest.raises(RunError):
            load_corpus(config, run, accept=refuse)
        assert asked[-1]["train"] != first.fingerprints["train"]
        assert files_in(run) == before
    changed = load_corpus(linked_config(linked), run)
    assert list(changed.train.links)[0] == [(0, 0), (1, 1)]
    assert changed.fingerprints["dev"] == first.fingerprints["dev"]


def test_links_of_a_held_out_split_are_part_of_its_fingerprint(linked, run):
    first = load_corpus(linked_config(linked), run)
    (linked / "dev.links").write_text("\n\n")
    again = load_corpus(linked_config(linked), run)
    assert again.validation.links == [[], []]
    assert again.fingerprints["dev"] != first.fingerprints["dev"]


def test_the_name_of_the_links_decides_whether_the_text_is_still_right(linked, run):
    first = load_corpus(linked_config(linked), run)
    (linked / "train.other").write_bytes((linked / "train.links").read_bytes())
    same = load_corpus(linked_config(linked, links="other"), run)
    assert same.fingerprints == first.fingerprints
    assert list(same.train.links) == list(first.train.links)
    without = load_corpus(config_for(linked), run)
    assert without.train.links is None and sides(without.train) == sides(first.train)
    assert without.cleaned_fingerprint != first.cleaned_fingerprint


def test_links_that_were_touched_are_read_once_more_and_then_known(linked, run, monkeypatch):
    first = load_corpus(linked_config(linked), run)
    os.utime(linked / "train.links", ns=(1, 1))
    text = {path: content for path, content in files_in(run).items() if path.suffix == ".npy"}
    assert load_corpus(linked_config(linked), run).fingerprints == first.fingerprints
    after = {path: content for path, content in files_in(run).items() if path.suffix == ".npy"}
    assert text == after  # it was not cleaned again
    forbid_reading(monkeypatch, "train")
    assert list(load_corpus(linked_config(linked), run).train.links) == list(first.train.links)


@pytest.mark.parametrize("name", ["links_values.npy", "links_offsets.npy"])
@pytest.mark.parametrize("gone", [True, False])
def test_damaged_links_are_made_again(linked, run, name, gone):
    first = load_corpus(linked_config(linked), run)
    path, expected = run / "cleaned" / name, list(first.train.links)
    content = path.read_bytes()
    path.unlink() if gone else path.write_bytes(content[:-10])
    assert list(load_corpus(linked_config(linked), run).train.links) == expected
    assert path.read_bytes() == content


def test_wrong_links_are_named_and_nothing_is_kept(linked, run):
    (linked / "train.links").write_text("0-0\n0-0\n\n0-0\n0-7\n")
    with pytest.raises(DataError, match=r"train.links, line 5: link 0-7 .* 1 target words"):
        load_corpus(linked_config(linked), run)
    (linked / "train.links").write_text("0-0\n" * 2)
    with pytest.raises(DataError, match=r"train.links has 2; line i must hold the links"):
        load_corpus(linked_config(linked), run)
    assert list(run.rglob("*")) == []


def test_misaligned_files_are_named_with_both_counts_and_nothing_is_kept(folder, run):
    (folder / "train.de").write_text("a\nb\n")
    with pytest.raises(DataError, match=r"train.en has 5 lines and .*train.de has 2; line i"):
        load_corpus(config_for(folder), run)
    assert list(run.rglob("*")) == []


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


def test_of_one_pair_no_two_lines_are_swapped(tmp_path, capsys):
    write(tmp_path, "train", make_pairs(1))
    assert runpy.run_path(str(SCRIPT))["main"]([str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "one character changed" in printed and "two lines swapped" not in printed


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
def test_multi30k_loses_little_to_cleaning(tmp_path):
    config = config_for(MULTI30K, validation="val", test=("test_2016_flickr",))
    corpus = load_corpus(config, tmp_path)
    assert (corpus.report["pairs_in"], len(corpus.validation)) == (29_000, 1014)
    assert len(load_split(config, "test_2016_flickr")) == 1000
    assert corpus.report["pairs_out"] > 28_900
    raw = load_split(config, "train")
    assert len(set(sides(corpus.train)) - set(sides(raw))) < 200  # few are changed
