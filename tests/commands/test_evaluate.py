"""nmt evaluate: what is scored, kept, written and drawn."""

import gzip
import json
from pathlib import Path

import pytest

from nmt.cli import main
from nmt.commands.evaluate import varied_in_length

pytest_plugins = ["tests.command_calls"]


def test_evaluate_scores_and_keeps_what_was_scored(evaluate, tmp_path, run):
    import sacrebleu

    from nmt.config.reader import read_config
    from nmt.data.corpus import load_split

    output = tmp_path / "out.gz"
    shown = evaluate(run, "--split", "test", "--output", output, "search.beam_size=1")
    assert {"chrf", "ter", "bleu_tokenized_lowercase", "bleu_signature"} <= shown.keys()
    split = load_split(read_config(run / "config.yaml").data, "test")
    hypotheses = gzip.decompress(output.read_bytes()).decode().split("\n")[:-1]
    expected = sacrebleu.corpus_bleu(hypotheses, [split.target], force=True).score
    assert shown["bleu"] == pytest.approx(expected) and shown["sentences"] == len(split) == 12
    assert (shown["split"], shown["checkpoint"]) == ("test", 7)
    assert shown["fingerprint"] == split.fingerprint
    assert shown["search"]["beam_size"] == 1 and shown["search"]["max_length_extra"] == 5
    assert shown["precision"] == "float32" and shown["search"]["precision"] is None

    kept = json.loads(next((run / "evaluations").glob("test.7.*.json")).read_text())
    assert kept == shown | {
        "sources": split.source,
        "hypotheses": hypotheses,
        "references": split.target,
    }


def test_the_record_says_the_precision_of_the_search(evaluate, run):
    shown = evaluate(run, "--split", "test", "search.beam_size=1", "search.precision=bfloat16")
    assert shown["precision"] == shown["search"]["precision"] == "bfloat16"


def test_evaluate_takes_files_and_gives_the_same_score(evaluate, tmp_path, run):
    from nmt.config.reader import read_config
    from nmt.data.corpus import load_split

    split = load_split(read_config(run / "config.yaml").data, "test")
    for side in ("source", "target"):
        text = "".join(f"{line}\n" for line in getattr(split, side))
        (tmp_path / f"{side}.gz").write_bytes(gzip.compress(text.encode()))
    files = ["--source", tmp_path / "source.gz", "--reference", tmp_path / "target.gz"]
    of_files = evaluate(run, *files)
    of_split = evaluate(run, "--split", "test")
    assert of_files.pop("split") == "source.gz" and of_split.pop("split") == "test"
    assert of_files.pop("fingerprint") != of_split.pop("fingerprint")  # the split has word links
    assert of_files == of_split
    assert list((run / "evaluations").glob("source.gz.7.*.json"))


def test_evaluate_takes_all_test_splits_into_a_table_or_an_object(call, evaluate, run):
    several = evaluate(run)["splits"]
    assert {name: scores["sentences"] for name, scores in several.items()} == {
        "test": 12,
        "validation": 3,
    }
    table = call("evaluate", run).splitlines()
    assert table[0].split()[:5] == ["split", "sentences", "BLEU", "chrF", "TER"]
    for row, (name, scores) in zip(table[1:3], several.items(), strict=True):
        values = ("bleu", "chrf", "ter", "bleu_tokenized_lowercase")
        numbers = [f"{scores[value]:.2f}" for value in values]
        assert row.split() == [name, str(scores["sentences"]), *numbers]
    assert f"BLEU: {several['test']['bleu_signature']}" in table


def test_scores_by_length_are_shown_kept_and_drawn(call, evaluate, run):
    from nmt.analysis.by_length import scores_by_length

    shown = evaluate(run, "--split", "test", "--by-length", "5,7")
    (kept_file,) = (run / "evaluations").glob("test.7.*.json")
    kept = json.loads(kept_file.read_text())
    expected = scores_by_length(
        [len(line.split()) for line in kept["sources"]],
        kept["hypotheses"],
        kept["references"],
        (5, 7),
        target_language="fr",
        tokenized=False,
    )
    assert shown["by_length"] == kept["by_length"] == [bucket.to_dict() for bucket in expected]
    picture = kept_file.with_suffix(".png")
    assert shown["plot"] == str(picture) and picture.read_bytes().startswith(b"\x89PNG")

    table = call("evaluate", run, "--by-length", "5,7").splitlines()
    start = next(i for i, line in enumerate(table) if "source words" in line)
    rows = [line.split() for line in table[start + 1 : start + 7]]  # two splits, three buckets
    assert [row[:2] for row in rows] == [
        [split, label] for split in ("test", "validation") for label in ("0-5", "6-7", "8+")
    ]
    for row, bucket in zip(rows, expected, strict=False):
        few = ["(few)"] if 0 < bucket.count < 10 else []
        scores = (bucket.bleu, bucket.chrf, bucket.bleu_tokenized_lowercase)
        numbers = ["-" if score is None else f"{score:.2f}" for score in scores]
        assert row[2:] == [str(bucket.count), *few, *numbers]
    assert f"plot: {picture}" in table


@pytest.mark.parametrize(
    "words", [["--by-length", "RUN"], ["RUN", "--by-length", "search.beam_size=1"]]
)
def test_by_length_stands_alone_before_any_word(evaluate, run, words):
    arguments = [run if word == "RUN" else word for word in words]
    shown = evaluate(*arguments, "--split", "test")
    assert [bucket["upper"] for bucket in shown["by_length"]] == [10, 20, 30, 40, 50, None]
    assert shown["search"]["beam_size"] == (1 if words[0] == "RUN" else 2)


def test_a_plot_goes_where_it_is_wanted(evaluate, tmp_path, run):
    picture = tmp_path / "new/length.svg"
    shown = evaluate(run, "--split", "test", "--plot", picture)
    assert len(shown["by_length"]) == 6 and shown["plot"] == str(picture)
    assert ">source words (sentences)<" in picture.read_text()
    assert not list((run / "evaluations").glob("*.png"))


def test_lengths_of_a_language_without_spaces_count_characters(call, evaluate, tmp_path, run):
    for name, text in (
        ("source", "\u732b \u304c\u5bdd\u308b\n\u72ac\n"),
        ("target", "un chat\nun chien\n"),
    ):
        (tmp_path / name).write_text(text)
    files = ["--source", tmp_path / "source", "--reference", tmp_path / "target"]
    options = ["--by-length", "2,4", "data.source_language=ja"]
    shown = evaluate(run, *files, *options)
    assert [bucket["count"] for bucket in shown["by_length"]] == [1, 1, 0]
    assert "source characters" in call("evaluate", run, *files, *options)


def test_evaluate_draws_alignments(call, evaluate, run):
    drawn = evaluate(run, "--split", "test", "--alignments", "3")["alignments"]
    assert len(drawn) == 3
    for path in map(Path, drawn):
        assert path.parent == run / "alignments"
        assert path.read_bytes().startswith(b"\x89PNG")
    table = call("evaluate", run, "--split", "test", "--alignments", "3")
    assert [line.removeprefix("alignment: ") for line in table.splitlines()[-3:]] == drawn


def test_the_pictures_are_of_the_translations_that_were_scored(evaluate, monkeypatch, run):
    """Sampled ones differ from draw to draw."""
    from nmt.analysis.alignment import Alignment

    drawn = {}
    monkeypatch.setattr(
        Alignment, "plot", lambda self, path: drawn.update({path.stem: self.target_words})
    )
    evaluate(run, "--split", "test", "--alignments", "4", "search.method=sample")
    (file,) = (run / "evaluations").iterdir()
    kept = json.loads(file.read_text())
    assert len(drawn) == 4
    assert {name.rpartition(".line_")[0] for name in drawn} == {file.stem}  # no other model's
    for name, words in drawn.items():
        line = int(name.rpartition(".line_")[2])
        assert words == kept["hypotheses"][line - 1].split()


def test_what_is_written_has_places_of_its_own_that_are_there(mistake, tmp_path, run):
    """All of which is told before the work."""
    test = ("evaluate", run, "--split", "test")
    said = mistake(*test, "--output", tmp_path / "p.png", "--plot", tmp_path / "p.png")
    assert "--output and --plot would be written to one place" in said
    said = mistake(*test, "--json", "--output", "-")
    assert "--output - would mix translations with the object of --json" in said
    (run / "alignments").write_text("a file in the way")
    assert "alignments is no folder" in mistake(*test, "--alignments", "2")
    assert not (run / "evaluations").exists()


def test_alignments_need_attention(mistake, trained_without_attention):
    message = mistake("evaluate", trained_without_attention, "--split", "test", "--alignments", "2")
    assert "--alignments: the model has no attention" in message


def test_a_run_that_cannot_be_written_is_evaluated_with_a_warning(capfd, run):
    (run / "evaluations").write_text("a file in the way")
    assert main(["evaluate", str(run), "--split", "test"]) == 0
    out, err = capfd.readouterr()
    assert "BLEU" in out
    assert err.startswith("warning: the scores of test are not kept: ") and err.count("\n") == 1
    assert main(["evaluate", str(run), "--split", "test", "--by-length"]) == 0
    out, err = capfd.readouterr()
    assert "21-30" in out and "plot:" not in out
    assert "warning: the plot is not kept: " in err and err.count("\n") == 2


@pytest.mark.parametrize("number", [1, 2, 4, 9, 30])
def test_pictures_are_of_sentences_of_many_lengths(number):
    lengths = [30, 0, 2, 6, 6, 7, 8, 8, 12, 12, 15, 20, 21, 6]
    chosen = varied_in_length(lengths, number)
    usable = [length for length in lengths if 6 <= length <= 20]
    assert len(set(chosen)) == len(chosen) == min(number, len(usable))
    assert chosen == sorted(chosen) and {lengths[i] for i in chosen} <= set(usable)
    counts = [[lengths[i] for i in chosen].count(length) for length in set(usable)]
    assert max(counts) == 1 or min(counts) >= 1  # none twice before all were there once
    if number > 1:
        assert {6, 20} <= {lengths[i] for i in chosen}


def test_pictures_fall_back_to_other_lengths():
    assert varied_in_length([0, 1, 2, 1], 2) == [1, 2]
    assert varied_in_length([0, 0], 2) == []
