"""What is trained and measured, without training: the corpus, the jobs, the rows."""

import pytest


@pytest.fixture
def script(load_script):
    return load_script("compare_alignments")


def write(folder, **files):
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def task(script, tmp_path):
    """A corpus of three lines, and gold links of two pairs."""
    text = {"train_de": "Ja, gut.\nNein!\nEin Haus.\n", "train_en": "Yes, fine.\nNo!\nA house.\n"}
    corpus = write(tmp_path / "raw", **text, dev_de="Gut.\n", dev_en="Fine.\n")
    gold = write(
        tmp_path / "gold",
        test_de="ein Haus\nja , gut\n",
        test_en="a house\nyes\n",
        test_talp="1-1 2-2\n1-1 3p1\n",
    )
    (tmp_path / "out").mkdir()
    return script.file_task(corpus, gold, tmp_path / "out", ("de", "en"))


def test_text_is_tokenised_but_that_of_the_gold_links(task, tmp_path):
    corpus = tmp_path / "out" / "corpus"
    assert (corpus / "train.de").read_text().splitlines() == ["Ja , gut .", "Nein !", "Ein Haus ."]
    assert task.validation == (["Gut ."], ["Fine ."])
    assert task.test.source == ["ein Haus", "ja , gut"]
    assert [sorted(links.sure) for links in task.gold] == [[(0, 0), (1, 1)], [(0, 0)]]
    assert sorted(task.gold[1].possible) == [(0, 0), (2, 0)]


def test_a_guided_model_of_the_other_direction_learns_its_own_links(
    script, task, tmp_path, monkeypatch
):
    comparison = script.Comparison(task, tmp_path / "out", at_once=2)
    plain = comparison.job("gru", reverse=True, guided=False)
    assert plain.name == "gru.en-de" and "data.source_language=en" in plain.overrides
    assert not any("links" in override for override in plain.overrides)

    monkeypatch.setattr(comparison, "linked_corpus", lambda family: f"linked.{family}")
    guided = comparison.job("transformer", reverse=True, guided=True)
    assert guided.run == tmp_path / "out" / "transformer.en-de.guided"
    wanted = ["data.path=linked.transformer", "data.links=links.en-de", "model.alignment_head=0"]
    assert set(wanted) <= set(guided.overrides)


def test_both_directions_are_trained_and_come_back_in_their_order(
    script, task, tmp_path, monkeypatch
):
    trained = []
    monkeypatch.setattr(script, "train_all", lambda jobs, at_once, done: trained.extend(jobs))
    monkeypatch.setattr(script.nmt, "load", lambda run: run.name)
    comparison = script.Comparison(task, tmp_path / "out", at_once=2)
    assert comparison.translators("gru", guided=False) == ("gru.de-en", "gru.en-de")
    assert [job.name for job in trained] == ["gru.de-en", "gru.en-de"]


def test_a_row_has_each_direction_and_what_they_are_together(script, task):
    right, wrong = [[(0, 0), (1, 1)], [(0, 0)]], [[(0, 1), (1, 0)], [(1, 0)]]
    row = script.row_of("gru", "attention", right, wrong, task.gold)
    assert (row.forward, row.reverse) == (0, 100)
    assert row.symmetrised[0] == 100  # nothing is in both
    assert script.turned(script.turned(right)) == right
    assert script.row_of("gru", "attention", right, right, task.gold).symmetrised == [0, 0, 0]
    lines = script.table([row, script.Row("gru", "shift-att", None, None, [None] * 3)]).splitlines()
    assert lines[2].startswith("| gru | attention | 0.0 | 100.0 | 100.0 |")
    assert lines[3] == "| gru | shift-att | - | - | - | - | - |"


def test_two_languages_are_wanted(script, tmp_path, capsys):
    assert script.main([str(tmp_path), "--corpus", "a", "--gold", "b", "--languages", "de"]) == 2
    assert capsys.readouterr().err == (
        "compare_alignments: --languages: such as de-en is wanted; got de\n"
    )


@pytest.mark.parametrize("arguments", [[], ["--embedded", "--corpus", "a"], ["--corpus", "a"]])
def test_a_corpus_is_asked_for_in_one_line(script, tmp_path, capsys, arguments):
    assert script.main([str(tmp_path), *arguments]) == 2
    assert capsys.readouterr().err == (
        "compare_alignments: either --embedded, or --corpus and --gold\n"
    )
