"""Links made by a run of the other direction: its own alignments, turned round, and kept."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from nmt.analysis.records import read_records
from nmt.config.reader import read_config
from nmt.config.schema import TrainingConfig
from nmt.data.corpus import load_corpus, load_split
from nmt.data.progress import no_check
from nmt.decoding.loading import load
from nmt.errors import ConfigError, RunError
from nmt.runs.directory import RunDirectory
from nmt.training.links_from_run import best_method, links_from_run
from nmt.training.loop import train
from tests.tiny_runs import CONFIG, make_run

REVERSED = CONFIG.replace(
    "  path: embedded", "  path: embedded\n  source_language: fr\n  target_language: en"
)


@pytest.fixture(scope="module")
def reverse_run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "reverse", REVERSED)


@pytest.fixture
def config(reverse_run, tmp_path):
    """Of a run from English to French, which the other run guides."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    config = read_config(path)
    # Text files, for the embedded corpus has links of its own.
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for split in ("train", "validation", "test"):
        pairs = load_split(config.data, split)
        (corpus / f"{split}.en").write_text("".join(f"{line}\n" for line in pairs.source))
        (corpus / f"{split}.fr").write_text("".join(f"{line}\n" for line in pairs.target))
    return replace(
        config,
        data=replace(config.data, path=str(corpus)),
        training=replace(
            config.training, alignment_weight=0.2, alignment_run=str(reverse_run), num_steps=2
        ),
    )


def test_links_are_those_of_the_other_run_turned_round(config, reverse_run, tmp_path):
    run = RunDirectory.create(tmp_path / "run", config)
    corpus = load_corpus(config.data, run.data)
    flat = links_from_run(config, run, corpus, no_check)
    translator = load(reverse_run)
    aligned = translator.align_all(
        corpus.train.target, corpus.train.source, method=best_method(translator)
    )
    for links, alignment in zip(flat, aligned, strict=True):
        expected = sorted((source, target) for target, source in alignment.links())
        assert list(zip(*[iter(links.tolist())] * 2, strict=True)) == expected


def test_what_was_made_is_kept_though_the_other_run_is_gone(config, reverse_run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(reverse_run, other)
    config = replace(config, training=replace(config.training, alignment_run=str(other)))
    run = RunDirectory.create(tmp_path / "run", config)
    corpus = load_corpus(config.data, run.data)
    first = links_from_run(config, run, corpus, no_check)
    shutil.rmtree(other)
    again = links_from_run(config, run, corpus, no_check)
    np.testing.assert_array_equal(first.values, again.values)
    (run.data / "links" / "links_values.npy").write_bytes(b"damaged")
    with pytest.raises(RunError, match="other"):  # they have to be made again, and cannot be
        links_from_run(config, run, corpus, no_check)


def test_what_cannot_guide_is_refused_before_the_work(config, tmp_path):
    same = make_run(tmp_path / "same", CONFIG)
    no_attention = REVERSED.replace("model: {", "model: {attention: none, ")
    blind = make_run(tmp_path / "blind", no_attention)
    for path, message in (
        (same, "must translate from fr to en; .*same translates from en to fr"),
        (blind, "the model of .*blind has no attention"),
        (tmp_path / "missing", "training.alignment_run: .*missing"),
    ):
        training = TrainingConfig(alignment_weight=1.0, alignment_run=str(path))
        with pytest.raises(ConfigError, match=message):
            train(replace(config, training=training), tmp_path / "run")
        assert not (tmp_path / "run").exists()  # so that the corrected command can begin


def test_a_pair_too_long_to_train_on_has_no_links(config, tmp_path):
    lengths = sorted(len(line.split()) for line in load_split(config.data, "train").source)
    config = replace(config, data=replace(config.data, max_pieces=lengths[len(lengths) // 2]))
    run = RunDirectory.create(tmp_path / "run", config)
    corpus = load_corpus(config.data, run.data)
    counted = []
    flat = links_from_run(config, run, corpus, lambda: counted.append(None))
    assert 0 < sum(len(flat[i]) > 0 for i in range(len(flat))) < len(flat) == len(corpus.train)
    assert len(counted) > 1  # it can be interrupted on the way


@pytest.mark.slow
def test_training_with_them_logs_the_loss_of_the_alignment(config, tmp_path):
    train(config, tmp_path / "run")
    records = read_records(tmp_path / "run" / "metrics.jsonl")
    losses = [record["alignment_loss"] for record in records if "alignment_loss" in record]
    assert losses and all(loss > 0 for loss in losses)
