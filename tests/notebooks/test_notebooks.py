"""Every notebook runs from a clean state, shows pictures, and what its text says of figures holds.

`pytest --durations=0 -m slow tests/notebooks` tells how long each takes.
"""

import json
from pathlib import Path

import nbformat
import pytest

from nmt.config.schema import EmbeddedConfig
from nmt.data.grammar import make_split

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.stem for path in (FOLDER / "source").glob("*.py"))
LARGEST = 700_000  # bytes of a notebook, pictures and all


def pictures(outputs):
    """How many outputs show a picture, by themselves or within HTML."""
    data = [one.get("data", {}) for one in outputs]
    return sum("image/png" in one or "data:image/png" in one.get("text/html", "") for one in data)


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_are_made_from_their_sources(make_notebooks, name):
    assert make_notebooks.fault(name) is None
    path = FOLDER / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert pictures(make_notebooks.outputs(notebook)) >= 2
    assert path.stat().st_size < LARGEST


def test_every_notebook_has_a_source():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.slow
def test_train_and_read_an_alignment(run_notebook):
    ran = run_notebook(
        "1_train_and_read_an_alignment",
        bleu="scores.bleu",
        aer="errors.aer",
        row_sums="row_sums.tolist()",
        searched="[t.alignment.to_pharaoh() for t in found.values()]",
        n_best="[h.alignment.to_pharaoh() for h in best.hypotheses]",
    )
    assert ran.bleu > 70
    assert ran.aer < 0.3
    assert ran.row_sums == pytest.approx([1] * len(ran.row_sums), abs=1e-5)
    assert len(ran.searched) == 3 and all(ran.searched)
    assert len(ran.n_best) == 3 and all(ran.n_best)
    assert "step 200, epoch" in ran.said  # the log is visible
    assert pictures(ran.outputs) >= 4


@pytest.mark.slow
def test_fixed_context_vector(run_notebook, tmp_path, monkeypatch):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for split in ("train", "validation", "test"):
        pairs = make_split(split, EmbeddedConfig(num_train=300, num_validation=5, num_test=20))
        (corpus / f"{split}.en").write_text("".join(f"{pair.source}\n" for pair in pairs))
        (corpus / f"{split}.fr").write_text("".join(f"{pair.target}\n" for pair in pairs))
    sizes = [
        f"model.{of}_dim=8" for of in ("embedding", "encoder", "alignment", "readout", "decoder")
    ]
    settings = [
        "data.target_language=fr",
        "data.num_shapes=1",
        "vocabulary.size=300",
        "training.num_steps=5",
        "search.max_length_factor=0.5",
        *sizes,
    ]
    monkeypatch.setenv("NMT_CORPUS", str(corpus))
    monkeypatch.setenv("NMT_SETTINGS", " ".join(settings))

    bleu = "[(bucket.count, bucket.bleu) for bucket in by_length[{!r}]]".format
    ran = run_notebook(
        "2_fixed_context_vector",
        attention=bleu("attention"),
        fixed=bleu("fixed vector"),
        real="{name: [b.count for b in buckets] for name, buckets in real_by_length.items()}",
    )
    assert [count for count, _ in ran.attention] == [60] * 6
    lead = [ours[1] - theirs[1] for ours, theirs in zip(ran.attention, ran.fixed, strict=True)]
    assert lead[0] < 5  # no disadvantage on the shortest
    assert lead[4] > 10  # the longest of training
    assert lead[5] > 20  # longer than all of training
    falls_by = [of[0][1] - of[4][1] for of in (ran.attention, ran.fixed)]
    assert falls_by[1] > falls_by[0] + 15
    assert {name: sum(counts) for name, counts in ran.real.items()} == {
        "attention": 20,
        "fixed vector": 20,
    }
    assert "the model has no attention" in ran.said
    assert pictures(ran.outputs) >= 3
    assert (ran.folder / "runs" / "fixed_context_vector" / "real_length.png").exists()


@pytest.mark.slow
def test_alignment_methods(run_notebook):
    ran = run_notebook(
        "3_alignment_methods",
        aer="{' '.join(key): value.aer for key, value in aer.items()}",
        precision="{rule: aer['two', rule].precision for rule in symmetrized}",
        recall="{rule: aer['two', rule].recall for rule in symmetrized}",
        rules="list(RULES)",
        bleu="bleu",
    )
    aer = ran.aer
    assert min(ran.bleu.values()) > 50
    assert aer["recurrent attention"] < min(
        aer["recurrent attention+1"], aer["recurrent attention+2"]
    )
    assert "recurrent shift-att" not in aer and "shift-att does not exist" in ran.said
    assert aer["transformer attention"] < aer["transformer shift-att"]
    assert aer["chosen attention"] < min(
        aer["transformer attention"] - 0.05, aer["chosen shift-att"]
    )
    assert max(ran.precision, key=ran.precision.get) == "intersection"
    assert max(ran.recall, key=ran.recall.get) == "union"
    two = min(aer[f"two {rule}"] for rule in ran.rules)
    assert two < max(aer["two forward"], aer["two reverse"]) - 0.03
    assert two < min(aer["two forward"], aer["two reverse"]) + 0.02
    assert pictures(ran.outputs) >= 3


@pytest.mark.slow
def test_your_own_text_files(run_notebook):
    ran = run_notebook("4_your_own_text_files", lines="len(links)", run="str(run)")
    run = ran.folder / ran.run
    (evaluation,) = (run / "evaluations").glob("*.json")
    assert json.loads(evaluation.read_text())["bleu"] > 60
    assert ran.lines == 200
    assert (run.parent / "pairs.html").exists()
    removed = next(line for line in ran.said.splitlines() if line.startswith("duplicates"))
    assert int(removed.split()[1]) == 50
    assert "AER" in ran.said
    assert pictures(ran.outputs) >= 2


@pytest.mark.slow
def test_long_term_dependencies(run_notebook):
    far = "{{name: fall.at(60) for name, fall in {}.items()}}".format
    ran = run_notebook(
        "5_long_term_dependencies",
        before=far("before"),
        after=far("after"),
        around=far("around"),
        way="[around['through attention alone'].at(k) for k in range(1, 61)]",
        plateau="[around['with attention, all ways'].at(k) for k in range(20, 61)]",
    )
    assert max(ran.before, key=ran.before.get) == "vanilla"
    assert ran.after["vanilla"] < 1e-3 * min(ran.after["GRU"], ran.after["LSTM"])
    assert ran.after["vanilla"] < 1e-6 * ran.before["vanilla"]
    assert min(ran.way) > 0.5  # no decay
    assert ran.around["without attention"] < 1e-5 * min(ran.plateau)
    assert max(ran.plateau) < 10 * min(ran.plateau)
    assert pictures(ran.outputs) >= 3
