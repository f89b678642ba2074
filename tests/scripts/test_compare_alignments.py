"""What is trained and measured, without training: the corpus, the jobs, the rows."""

from pathlib import Path

import pytest

from nmt.analysis.pharaoh import GoldLinks

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def script(load_script):
    return load_script("compare_alignments")


@pytest.fixture
def task(script, tmp_path):
    """A task of one pair, and two gold pairs."""
    corpus = tmp_path / "out" / "corpus"
    corpus.mkdir(parents=True)
    for name in ("dev.de", "dev.en", "test.de", "test.en"):
        (corpus / name).write_text("x\n")
    links = [frozenset({(0, 0), (1, 1)}), frozenset({(0, 0)})]
    return script.Task(
        languages=("de", "en"),
        configs={family: CONFIGS / f"europarl_small_{family}.yaml" for family in script.FAMILIES},
        overrides=[f"data.path={corpus}"],
        validation=script.Pairs(["Gut ."], ["Fine ."]),
        test=script.Pairs(["ein Haus", "ja , gut"], ["a house", "yes"]),
        gold=[GoldLinks(links[0], links[0]), GoldLinks(links[1], links[1] | {(2, 0)})],
        corpus="of one pair",
    )


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


@pytest.fixture
def measured(script, tmp_path, monkeypatch):
    """The models that were measured, in their order, with no training; and their checkpoints."""
    measured, checkpoints = [], {}

    def row_of_method(label, name, aligner, task):
        if name == script.METHODS[0]:
            measured.append(label)
        return script.Row(label, name, 1.0, None, [2.0] * 3)

    monkeypatch.setattr(script, "row_of_method", row_of_method)
    monkeypatch.setattr(script, "Aligner", lambda *_: None)
    monkeypatch.setattr(script.Comparison, "_translators", lambda *_, guided: None)
    monkeypatch.setattr(script.Comparison, "linked_corpus", lambda self, family: "linked")
    monkeypatch.setattr(script, "checkpoint_of", lambda run: checkpoints.get(run.name, "first"))
    return measured, checkpoints


LABELS = ["gru", "transformer", "gru, guided", "transformer, guided"]


def test_what_is_measured_of_the_same_is_read_again(script, task, tmp_path, measured):
    rows = list(script.model_rows(task, tmp_path, 1))
    assert measured[0] == LABELS and len(rows) == 4 * len(script.METHODS)
    assert list(script.model_rows(task, tmp_path, 1)) == rows
    assert measured[0] == LABELS


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        (lambda task: task._replace(gold=task.gold[::-1]), LABELS),
        (lambda task: task._replace(test=task.test[::-1]), LABELS),
        (lambda task: task._replace(corpus="of two pairs"), LABELS),
        (lambda task: task._replace(languages=("de", "fr")), LABELS),
        (lambda task: task._replace(overrides=[*task.overrides, "training.seed=7"]), LABELS),
        (
            lambda task: task._replace(configs=task.configs | {"gru": CONFIGS / "quickstart.yaml"}),
            LABELS[::2],
        ),
    ],
)
def test_another_task_is_measured_anew(script, task, tmp_path, measured, change, anew):
    list(script.model_rows(task, tmp_path, 1))
    measured[0].clear()
    list(script.model_rows(change(task), tmp_path, 1))
    assert measured[0] == anew


def test_another_checkpoint_or_code_is_measured_anew(script, task, tmp_path, measured, monkeypatch):
    (tmp_path / "gru.json").write_text('[["gru", "attention", 9.0, 9.0, [9.0, 9.0, 9.0]]]')
    assert next(iter(script.model_rows(task, tmp_path, 1))).forward == 1.0  # not of another form
    list(script.model_rows(task, tmp_path, 1))
    measured[0].clear()
    measured[1]["gru.en-de"] = "second"
    list(script.model_rows(task, tmp_path, 1))
    assert measured[0] == ["gru"]
    monkeypatch.setattr(script, "code_fingerprint", lambda *_: "other code")
    list(script.model_rows(task, tmp_path, 1))
    assert measured[0] == ["gru", *LABELS]


def test_links_are_made_anew_of_other_models(script, task, tmp_path, monkeypatch):
    checkpoint, kept = ["first"], script.Pairs(["ja"], ["yes"])

    class Aligner:
        def __init__(self, *_):
            asked.append(checkpoint[0])

        def best_method(self):
            return None

        def links(self, method, pairs):
            return [[(0, 0)]], [[(0, 0)]]

    asked = []
    monkeypatch.setattr(script, "Aligner", Aligner)
    monkeypatch.setattr(script, "load_kept", lambda *_: kept)
    monkeypatch.setattr(script.RunDirectory, "open", script.RunDirectory)
    monkeypatch.setattr(script.Comparison, "_translators", lambda *_, guided: None)
    monkeypatch.setattr(script, "checkpoint_of", lambda run: checkpoint[0])
    for checkpoint[0] in ("first", "first", "second"):
        linked = script.Comparison(task, tmp_path / "out", at_once=1).linked_corpus("gru")
        assert (linked / "train.links.en-de").read_text() == "0-0\n"
        assert (linked / "train.de").read_text() == "ja\n"
    assert asked == ["first", "second"]


def test_eflomal_is_looked_for_before_anything_is_trained(script, tmp_path, capsys):
    assert script.main([str(tmp_path / "out"), "--embedded", "--eflomal", "/no/eflomal"]) == 2
    assert capsys.readouterr().err == (
        "compare_alignments: --eflomal: there is no program /no/eflomal\n"
    )


def test_the_table_is_written_though_eflomal_fails(script, task, tmp_path, capsys, monkeypatch):
    row = script.row_of("gru", "attention", [[(0, 0)]] * 2, [[(0, 0)]] * 2, task.gold)
    monkeypatch.setattr(script, "embedded_task", lambda: task)
    monkeypatch.setattr(script, "model_rows", lambda *_: [row])
    monkeypatch.setattr(script, "load_kept", lambda *_: script.Pairs(["ja"], ["yes"]))
    monkeypatch.setattr(script.RunDirectory, "open", script.RunDirectory)
    assert script.main([str(tmp_path / "out"), "--embedded", "--eflomal", "false"]) == 2
    out, err = capsys.readouterr()
    assert out == script.table([row]) == (tmp_path / "out" / "table.md").read_text()
    assert err == "compare_alignments: --eflomal: false ended with status 1\n"


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
