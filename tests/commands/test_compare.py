"""nmt compare: what is scored, taken from what was kept, tested, printed and drawn."""

import json
import shutil

import pytest

from nmt.analysis.significance import paired_bootstrap
from nmt.cli import main

pytest_plugins = ["tests.command_calls"]
SCORES = ["bleu", "chrf", "ter", "bleu_tokenized_lowercase"]
SPLIT = ("--split", "test")
FAST = ("--samples", "50")


@pytest.fixture(scope="session")
def translated(trained, tmp_path_factory):
    """Two runs of one corpus, to read only, that have translated the test set; one is at step 9."""
    folder = tmp_path_factory.mktemp("translated")
    for name in ("seven", "nine"):
        shutil.copytree(trained, folder / name)
    shutil.rmtree(folder / "nine/checkpoints/7")
    for name in ("seven", "nine"):
        assert main(["evaluate", str(folder / name), *SPLIT]) == 0
    return folder


@pytest.fixture
def run(translated, tmp_path):
    """A copy of one of them, for one test."""
    return shutil.copytree(translated / "seven", tmp_path / "seven")


@pytest.fixture
def other(translated, tmp_path):
    """A copy of the other."""
    return shutil.copytree(translated / "nine", tmp_path / "nine")


@pytest.fixture
def compare(call):
    """Runs `nmt compare` and returns the object that it prints."""
    return lambda *arguments: json.loads(call("compare", *arguments, *SPLIT, *FAST, "--json"))


def kept(run, split="test"):
    """The only evaluation of a split."""
    (file,) = (run / "evaluations").glob(f"{split}.*.json")
    return file, json.loads(file.read_text())


def make_perfect(run):
    """Puts the references in the place of the translations that were kept."""
    file, record = kept(run)
    file.write_text(json.dumps(record | {"hypotheses": record["references"]}))


def test_each_run_is_scored_as_evaluate_scores_it_and_tested_against_the_first(
    compare, evaluate, run, other
):
    shown = compare(run, other)
    assert shown["baseline"] == str(run) and shown["split"] == "test" and shown["sentences"] == 12
    assert [of_run["run"] for of_run in shown["runs"]] == [str(run), str(other)]
    records = [kept(path)[1] for path in (run, other)]
    expected = paired_bootstrap(
        [record["hypotheses"] for record in records],
        records[0]["references"],
        target_language="fr",
        tokenized=False,
        num_samples=50,
    )
    assert shown["signatures"] == expected.signatures and "bs:50|" in shown["signatures"]["ter"]
    for path, of_run, resampled in zip((run, other), shown["runs"], expected.systems, strict=True):
        assert evaluate(path, *SPLIT).items() <= of_run.items()
        assert of_run["bootstrap"] == {name: resampled[name].to_dict() for name in SCORES}
        assert "by_length" not in of_run
    assert shown["runs"][0]["bootstrap"]["bleu"]["p_value"] is None


def test_translations_that_were_kept_are_taken_others_made_and_it_says_which(capfd, run, other):
    file, record = kept(other)
    file.unlink()
    command = ["compare", str(run), str(other), *SPLIT, *FAST, "--json"]
    assert main(command) == 0
    out, err = capfd.readouterr()
    taken, made = json.loads(out)["runs"]
    assert taken["kept_in"] == str(kept(run)[0]) and made["kept_in"] is None
    assert f"{run}: checkpoint 7, translations taken from {kept(run)[0]}\n" in err
    assert f"{other}: checkpoint 9 translates test\n" in err
    assert kept(other) == (file, record)  # compare leaves what evaluate leaves
    assert main(command) == 0
    again = json.loads(capfd.readouterr().out)["runs"]
    assert again == [taken, made | {"kept_in": str(file)}]


def test_another_search_or_checkpoint_is_translated_anew(compare, run, other):
    before = str(kept(other)[0])
    shown = compare(run, other, "search.length_norm=0")
    assert [of_run["kept_in"] for of_run in shown["runs"]] == [None, None]
    shown = compare(run, other, "--checkpoint", "last")  # as the other's was before
    assert [of_run["kept_in"] for of_run in shown["runs"]] == [None, before]
    assert [of_run["checkpoint"] for of_run in shown["runs"]] == [9, 9]


def test_other_searches_are_told_in_a_line_and_the_object(call, compare, run, other):
    plain = call("compare", run, run.parent / "nine", *SPLIT, *FAST)
    assert "not searched as" not in plain
    config = (other / "config.yaml").read_text()
    changed = config.replace("  beam_size: 2\n", "  beam_size: 1\n")
    changed = changed.replace("search:\n", "search:\n  precision: bfloat16\n")
    changed = changed.replace("  precision: null\n", "")
    (other / "config.yaml").write_text(changed)
    shown = compare(run, other)
    expected = {
        "search.beam_size": {"run": 1, "baseline": 2},
        "search.precision": {"run": "bfloat16", "baseline": None},
        "precision": {"run": "bfloat16", "baseline": "float32"},
    }
    assert [of_run["differs"] for of_run in shown["runs"]] == [{}, expected]
    lines = call("compare", run, other, *SPLIT, *FAST).splitlines()
    assert lines[2] == (
        f"not searched as {run}: {other} (search.beam_size 1, not 2; "
        'search.precision "bfloat16", not null; precision "bfloat16", not "float32")'
    )


def test_a_clearly_better_run_is_significant_whatever_the_order(compare, run, other):
    make_perfect(other)
    forward, backward = compare(run, other), compare(other, run)
    for shown, better in ((forward, 1), (backward, 0)):
        assert shown["runs"][better]["bleu"] == pytest.approx(100)
        for name in SCORES:
            p_value = shown["runs"][1]["bootstrap"][name]["p_value"]
            assert p_value == forward["runs"][1]["bootstrap"][name]["p_value"] < 0.05


def test_a_copy_of_a_run_is_not_significant(compare, run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    for name, result in compare(run, copy)["runs"][1]["bootstrap"].items():
        assert name in SCORES and result["p_value"] == 1


def test_the_table_shows_scores_intervals_and_p(call, compare, run, other):
    make_perfect(other)
    lines = call("compare", run, other, *SPLIT, *FAST, "--by-length", "5,7").splitlines()
    shown = compare(run, other, "--by-length", "5,7")
    assert lines[0] == "test, 12 sentences" and lines[1].endswith(f"to {run}")
    assert lines[2].split()[:3] == ["run", "BLEU", "p"]
    for line, of_run in zip(lines[3:5], shown["runs"], strict=True):
        cells = [of_run["run"]]
        for name in SCORES:
            result = of_run["bootstrap"][name]
            cells += [f"{result['score']:.2f}", "±", f"{result['interval']:.2f}"]
            cells += [] if result["p_value"] is None else [f"{result['p_value']:.4f}"]
        assert line.split() == cells
    start = next(i for i, line in enumerate(lines) if "source words" in line)
    rows = [line.split() for line in lines[start + 1 : start + 7]]
    assert [row[:2] for row in rows] == [
        [str(path), label] for label in ("0-5", "6-7", "8+") for path in (run, other)
    ]
    buckets = [of_run["by_length"] for of_run in shown["runs"]]
    counts = [str(bucket["count"]) for of_both in zip(*buckets, strict=True) for bucket in of_both]
    assert [row[2] for row in rows] == counts
    assert f"BLEU: {shown['signatures']['bleu']}" in lines


def test_pictures_of_lengths_and_learning_curves(call, run, other, tmp_path):
    records = [
        {"step": 2, "seconds": 30.0, "loss": 3.0},
        {"step": 4, "seconds": 60.0, "validation_bleu": 9.0},
        {"step": 6, "seconds": 120.0, "validation_bleu": 8.0},
        {"step": 8, "seconds": 180.0, "validation_bleu": 9.0},  # no better: the first is the best
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (run / "metrics.jsonl").write_text(lines)  # and the other run has no such file
    out = call("compare", run, other, *SPLIT, *FAST, "--output", tmp_path / "new/pictures")
    for name in ("length", "validation"):
        picture = tmp_path / f"new/pictures/{name}.png"
        assert picture.read_bytes().startswith(b"\x89PNG") and f"picture: {picture}\n" in out
    rows = [line.split() for line in out.splitlines()]
    start = rows.index(["run", "best", "validation", "BLEU", "minutes"])
    assert rows[start + 1 : start + 3] == [[str(run), "9.0", "1.0"], [str(other), "-", "-"]]
    assert "51+" in out  # the pictures have buckets, and so have the tables


def test_the_pictures_are_of_all_runs_and_their_own_scores(call, run, other, tmp_path, monkeypatch):
    from nmt.analysis import curves

    for path, score in ((run, 9.0), (other, 7.0)):
        record = {"step": 4, "seconds": 60.0, "validation_bleu": score}
        (path / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    drawn = {}

    def recorded(name):
        draw = getattr(curves, name)

        def record(what, path, **options):
            drawn[name] = what, options
            return draw(what, path, **options)

        return record

    for name in ("plot_bleu_by_length", "plot_curves"):
        monkeypatch.setattr(curves, name, recorded(name))
    arguments = [run, other, *SPLIT, *FAST, "--output", tmp_path / "pictures", "--json"]
    shown = json.loads(call("compare", *arguments))
    lengths, options = drawn["plot_bleu_by_length"]
    assert list(lengths) == [str(run), str(other)] and not options["tokenized_lowercase"]
    assert [[bucket.to_dict() for bucket in buckets] for buckets in lengths.values()] == [
        of_run["by_length"] for of_run in shown["runs"]
    ]
    validation, _ = drawn["plot_curves"]
    assert [(line.name, line.x, line.y) for line in validation] == [
        (str(run), [1.0], [9.0]),
        (str(other), [1.0], [7.0]),
    ]


def test_bleu_by_length_of_tokenised_text_is_that_of_publications(call, run, tmp_path, monkeypatch):
    from nmt.analysis import curves

    asked = []
    monkeypatch.setattr(
        curves, "plot_bleu_by_length", lambda *_, **o: asked.append(o["tokenized_lowercase"])
    )
    for tokenized in ("false", "true"):
        call("evaluate", run, *SPLIT, "--plot", tmp_path / "x.png", f"data.tokenized={tokenized}")
    assert asked == [False, True]


def test_damaged_metrics_are_told_before_anything_is_translated(mistake, run, other, monkeypatch):
    (run / "metrics.jsonl").write_text("{\n")
    monkeypatch.setattr("nmt.commands.compare.translate_split", None)
    assert "metrics.jsonl, line 1: " in mistake("compare", run, other, *SPLIT, *FAST)


def test_words_for_unknown_ones_are_made_anew_where_another_head_was_chosen(compare, run, other):
    arguments = (run, other, "search.unknown=replace")
    assert [of_run["kept_in"] for of_run in compare(*arguments)["runs"]] == [None, None]
    assert None not in [of_run["kept_in"] for of_run in compare(*arguments)["runs"]]
    (run / "alignment.json").write_text("{}\n")
    assert [of_run["kept_in"] is None for of_run in compare(*arguments)["runs"]] == [True, False]
    plain = compare(run, other, "search.unknown=keep")["runs"]
    assert None not in [of_run["kept_in"] for of_run in plain]  # whatever was chosen


def test_a_folder_needs_a_name(mistake, run, other):
    said = mistake("compare", run, other, *SPLIT, "--output", "")
    assert said == "nmt: --output must name a folder; got ''"


def test_without_validations_one_picture_is_drawn(capfd, run, other, tmp_path):
    arguments = ["compare", run, other, *SPLIT, *FAST, "--output", tmp_path, "--json"]
    assert main(list(map(str, arguments))) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["pictures"] == [str(tmp_path / "length.png")]
    assert "warning: no run has a record of validation BLEU" in err
    assert not (tmp_path / "validation.png").exists()


def test_two_files_can_be_the_test_set(call, run, other, tmp_path):
    (tmp_path / "en").write_text("the cat sleeps .\na dog sees it .\n")
    (tmp_path / "fr").write_text("le chat dort .\nun chien le voit .\n")
    files = ["--source", tmp_path / "en", "--reference", tmp_path / "fr"]
    shown = json.loads(call("compare", run, other, *files, *FAST, "--json"))
    assert shown["split"] == "en" and shown["sentences"] == 2
    assert kept(run, "en")[1]["references"] == ["le chat dort .", "un chien le voit ."]


def test_word_links_of_one_run_alone_are_no_other_text(compare, monkeypatch, run, other):
    from dataclasses import replace

    from nmt.data import corpus

    load, asked = corpus.load_split, []

    def without_links_at_first(config, name):
        asked.append(name)
        split = load(config, name)
        return replace(split, links=None) if len(asked) == 1 else split

    monkeypatch.setattr(corpus, "load_split", without_links_at_first)
    first, second = compare(run, other)["runs"]
    assert first["fingerprint"] != second["fingerprint"]


def test_one_sentence_is_no_sentences(call, run, other, tmp_path):
    for name, line in (("en", "the cat sleeps ."), ("fr", "le chat dort .")):
        (tmp_path / name).write_text(f"{line}\n")
    files = ["--source", tmp_path / "en", "--reference", tmp_path / "fr"]
    assert call("compare", run, other, *files, *FAST).splitlines()[0] == "en, 1 sentence"
