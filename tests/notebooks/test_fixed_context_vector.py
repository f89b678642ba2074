"""The bottleneck of the fixed vector, of models that are hardly trained, and of a corpus given."""

import re
from pathlib import Path

import nbformat
import pytest

from nmt.config.schema import EmbeddedConfig
from nmt.data.grammar import make_split
from tests.notebooks.pictures import pictures

ROOT = Path(__file__).parents[2]


def test_the_page_of_results_has_the_figures_of_the_notebook(make_notebooks):
    notebook = nbformat.read(ROOT / "notebooks" / "2_fixed_context_vector.ipynb", as_version=4)
    said = "".join(o.get("text", "") for o in make_notebooks.outputs(notebook))
    rows = [line.split() for line in said.partition("difference\n")[2].splitlines()]
    leads = {row[0]: float(row[-1]) for row in rows if len(row) == 5}
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    told = re.search(
        r"from (\S+) at up to 5 words\s+to (\S+) at 12 and 13, and (\S+) from 14 on", page
    )
    assert [float(lead) for lead in told.groups()] == [leads[n] for n in ("0-5", "12-13", "14+")]


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

    ran = run_notebook(
        "2_fixed_context_vector",
        {"num_steps=1500": "num_steps=20", "num_steps=3000": "num_steps=20"},
        counts="{name: [b.count for b in buckets] for name, buckets in by_length.items()}",
        real="{name: [b.count for b in buckets] for name, buckets in real_by_length.items()}",
    )
    assert ran.counts == {"attention": [60] * 6, "fixed vector": [60] * 6}
    assert {name: sum(counts) for name, counts in ran.real.items()} == {
        "attention": 20,
        "fixed vector": 20,
    }
    assert "the model has no attention" in ran.said
    assert pictures(ran.outputs) >= 3
    assert (ran.folder / "runs" / "fixed_context_vector" / "real_length.png").exists()
