"""The bottleneck of the fixed vector, of models that are hardly trained, and of a corpus given."""

import pytest

from nmt.config.schema import EmbeddedConfig
from nmt.data.grammar import make_split
from tests.notebooks.pictures import pictures


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
