"""Runs opened to translate with."""

import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest

import nmt
from nmt.config.schema import Config, DataConfig, RecurrentConfig, SearchConfig
from nmt.data.encoding import write_encoded
from nmt.data.splits import Split
from nmt.decoding.methods import AlignmentMethod
from nmt.decoding.shortlist import load_lexicon
from nmt.decoding.translator import Translator
from nmt.errors import ConfigError, DataError, RunError
from nmt.models import execution
from nmt.models.build import merge_model
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.directory import RunDirectory

GREEDY = SearchConfig(beam_size=1, max_length_factor=0.5, max_length_extra=6)


@pytest.fixture(scope="module")
def translator(models, vocabularies):
    return Translator(*models["recurrent"], vocabularies, max_source_pieces=32)


@pytest.fixture
def own_run(run, tmp_path):
    """A copy of the run that a test may write into."""
    return RunDirectory(shutil.copytree(run.path, tmp_path / "small"))


@pytest.fixture(scope="module")
def run(models, vocabularies, tmp_path_factory):
    """A run directory with two checkpoints of the recurrent model; the first is the best."""
    config = Config(
        data=DataConfig(path="embedded"),
        model=RecurrentConfig(
            embedding_dim=8, encoder_dim=8, decoder_dim=12, alignment_dim=8, readout_dim=8
        ),
        search=GREEDY,
    )
    run = RunDirectory.create(tmp_path_factory.mktemp("runs") / "small", config)
    vocabularies.source.save(run.vocabulary / "joint.model")
    checkpoints = Checkpoints(run.checkpoints, keep_last=2)
    params = models["recurrent"][1]
    checkpoints.save(1, {"params": params, "training": {"step": np.int32(1)}}, score=20.0)
    half = jax.tree.map(lambda leaf: 0.5 * leaf, params)
    checkpoints.save(2, {"params": half, "training": {"step": np.int32(2)}}, score=10.0)
    checkpoints.close()
    return run


def test_load_opens_a_run(run, translator):
    loaded = nmt.load(run.path)
    line = "the cat sees a tree ."
    assert loaded.search == GREEDY
    expected = translator.translate(line, search=GREEDY)
    assert loaded.translate(line).text == expected.text
    assert loaded.translate(line).log_prob == pytest.approx(expected.log_prob, rel=1e-5)
    last = nmt.load(run.path, checkpoint="last").translate(line)
    assert last.log_prob != pytest.approx(expected.log_prob, rel=1e-3)


@pytest.mark.parametrize("lacks, precision", [(False, "bfloat16"), (True, "float32")])
def test_a_processor_without_bfloat16_translates_in_float32(run, monkeypatch, lacks, precision):
    config = run.read_config(["training.precision=bfloat16"])
    monkeypatch.setattr(RunDirectory, "read_config", lambda self: config)
    monkeypatch.setattr(execution, "lacks_bfloat16", lambda: lacks)
    translator = nmt.load(run.path)
    assert merge_model(translator.graph, translator.params).projection().precision == precision
    assert translator.precision() == precision
    assert translator.precision(replace(GREEDY, precision="bfloat16")) == "bfloat16"


def test_a_shortlist_needs_a_run_and_its_pairs(own_run, translator, vocabularies):
    run = own_run
    short = replace(GREEDY, shortlist=6)
    with pytest.raises(ConfigError, match="search.shortlist needs a run"):
        translator.translate("the cat .", search=short)
    lines = ["the cat sees a tree .", "a red dog ."]
    with pytest.raises(DataError, match="search.shortlist is made of training pairs"):
        nmt.load(run.path).translate(lines, search=short)
    write_encoded(run.data / "train", Split("train", lines, lines), vocabularies)
    loaded = nmt.load(run.path)
    lexicon = load_lexicon(run, *(len(side) for side in vocabularies))
    special = vocabularies.target.special
    sources = [np.array([*vocabularies.source.encode(line), special.eos_id]) for line in lines]
    frequent = lexicon.frequent_of(6, special)
    for source, found in zip(sources, loaded.translate_ids(sources, search=short), strict=True):
        listed = [*frequent, *lexicon.likely_of(source, frequent)]
        assert np.isin(found[0].ids, listed).all()


def test_load_reads_what_was_chosen_and_the_units_of_the_languages(own_run, monkeypatch):
    run = own_run
    assert nmt.load(run.path).choices == {} and nmt.load(run.path).units == ("word", "word")
    run.alignment_file.write_text('{"attention+1": {"layer": 0, "head": 0, "aer": 0.5}}')
    loaded = nmt.load(run.path)
    assert loaded.choices == {"attention+1": AlignmentMethod("attention+1", 0, 0)}
    run.alignment_file.write_text("{}{")
    with pytest.raises(RunError, match="alignment.json is damaged"):
        nmt.load(run.path)
    run.alignment_file.unlink()
    japanese = replace(run.read_config().data, target_language="ja", path="corpus")
    config = replace(run.read_config(), data=japanese)
    monkeypatch.setattr(RunDirectory, "read_config", lambda self: config)
    assert nmt.load(run.path).units == ("word", "piece")


def test_load_says_what_is_missing(run, tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        nmt.load(tmp_path / "nowhere")
    with pytest.raises(RunError, match="has no checkpoint 7"):
        nmt.load(run.path, "7")
