"""The bottleneck of the fixed vector: attention does not fall with length as it does."""

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

    bleu = "[(bucket.count, bucket.bleu) for bucket in by_length[{!r}]]".format
    ran = run_notebook(
        "2_fixed_context_vector",
        {"num_steps=1500": "num_steps=1000", "num_steps=3000": "num_steps=2000"},
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
