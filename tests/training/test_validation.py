"""Validation: the loss of every pair, and BLEU of what the translator gives."""

import math
from dataclasses import replace

import jax
import numpy as np
import pytest
import sacrebleu

from nmt.config.schema import (
    Config,
    DataConfig,
    EmbeddedConfig,
    RecurrentConfig,
    SearchConfig,
    TrainingConfig,
    ValidationConfig,
    VocabularyConfig,
)
from nmt.data.gold import load_gold
from nmt.devices.mesh import make_mesh
from nmt.models.build import build_model, split_model
from nmt.models.partition import shardings
from nmt.runs.directory import RunDirectory
from nmt.training.preparation import prepare
from nmt.training.validation import Validator, perplexity

CONFIG = Config(
    data=DataConfig(
        path="embedded",
        embedded=EmbeddedConfig(num_train=80, num_validation=13, num_test=2, max_words=8),
    ),
    vocabulary=VocabularyConfig(size=200),
    model=RecurrentConfig(
        embedding_dim=8, encoder_dim=8, decoder_dim=8, alignment_dim=8, readout_dim=8
    ),
    training=TrainingConfig(label_smoothing=0.3),  # which validation leaves out
    validation=ValidationConfig(max_sentences=5),
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    run = RunDirectory.create(tmp_path_factory.mktemp("runs") / "run", CONFIG)
    return prepare(CONFIG, run)


@pytest.fixture(scope="module")
def model(prepared):
    sizes = dict(zip(("source_size", "target_size"), map(len, prepared.vocabularies), strict=True))
    return split_model(build_model(CONFIG.model, **sizes))


def test_loss_is_the_mean_over_all_pieces_and_bleu_that_of_the_translations(
    prepared, model, tmp_path
):
    graph, params = model
    validator = Validator(CONFIG, graph, prepared, make_mesh())
    path = tmp_path / "translations" / "7.txt"
    measured = validator.validate(params, path, lambda: None)

    split = prepared.validation
    log_probs = validator.translator(params).log_probs(split.source, split.target)
    num_pieces = sum(len(prepared.vocabularies.target.encode(t)) + 1 for t in split.target)
    assert measured.loss == pytest.approx(-np.sum(log_probs) / num_pieces, rel=1e-5)
    assert measured.perplexity == pytest.approx(math.exp(measured.loss))

    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    greedy = replace(CONFIG.search, beam_size=1)
    translations = validator.translator(params).translate(split.source[:5], search=greedy)
    assert lines == [translation.text for translation in translations]
    # A model that has not been trained gets no word right, of references other than these.
    references = [" ".join([*line.split()[1:], "and", "so", "on"]) for line in lines]
    likened = replace(split, target=references + split.target[5:])
    validator = Validator(CONFIG, graph, replace(prepared, validation=likened), make_mesh())
    measured = validator.validate(params, path, lambda: None)
    expected = sacrebleu.corpus_bleu(lines, [references], force=True).score
    assert measured.bleu == measured.score == pytest.approx(expected) and 0 < expected < 100


@pytest.mark.parametrize("nll, expected", [(0.0, 1.0), (2.5, math.exp(2.5)), (3e10, math.inf)])
def test_a_perplexity_has_no_highest_value(nll, expected):
    assert perplexity(nll) == expected


@pytest.mark.parametrize(
    "search",
    [
        SearchConfig(shortlist=50),
        SearchConfig(precision="bfloat16"),
        SearchConfig(method="sample", temperature=2.0, beam_size=3),
    ],
    ids=["shortlist", "precision", "sample"],
)
def test_what_search_is_asked_for_later_changes_no_validation(prepared, model, tmp_path, search):
    """A beam of `validation.beam_size` over the whole vocabulary, in the precision of training."""
    graph, params = model
    measured, written, scores = [], [], []
    for name, config in (("usual", CONFIG), ("other", replace(CONFIG, search=search))):
        validator, path = Validator(config, graph, prepared, make_mesh()), tmp_path / name / "1.txt"
        measured.append(validator.validate(params, path, lambda: None))
        written.append(path.read_bytes())
        found = validator.translator(params).translate(prepared.validation.source[:5])
        scores.append([translation.score for translation in found])
    assert measured[0] == measured[1]
    assert written[0] == written[1]
    assert scores[0] == scores[1]  # which another precision changes before any piece


def test_the_score_may_be_the_negative_loss(prepared, model, tmp_path):
    config = replace(CONFIG, validation=replace(CONFIG.validation, score="loss"))
    measured = Validator(config, model[0], prepared, make_mesh()).validate(
        model[1], tmp_path / "t" / "1.txt", lambda: None
    )
    assert measured.score == -measured.loss


def test_more_devices_measure_the_same(prepared, model, tmp_path):
    graph, params = model
    one, four = (
        Validator(CONFIG, graph, prepared, mesh).validate(
            jax.device_put(params, shardings(params, mesh)),
            tmp_path / str(mesh.size) / "1.txt",
            lambda: None,
        )
        for mesh in (make_mesh(), make_mesh(2, jax.devices()[:4]))
    )
    assert four.loss == pytest.approx(one.loss, rel=1e-5)
    assert four.bleu == one.bleu
    assert (tmp_path / "4/1.txt").read_bytes() == (tmp_path / "1/1.txt").read_bytes()


def test_rows_are_dealt_out_over_devices_that_do_not_divide_eight(model, tmp_path):
    config = replace(CONFIG, data=replace(CONFIG.data, row_multiple=3))
    prepared = prepare(config, RunDirectory.create(tmp_path / "run", config))
    mesh = make_mesh(devices=jax.devices()[:3])
    validator = Validator(config, model[0], prepared, mesh)
    measured = validator.validate(
        jax.device_put(model[1], shardings(model[1], mesh)), tmp_path / "1.txt", lambda: None
    )
    assert math.isfinite(measured.loss)


def test_a_check_that_raises_abandons_it_and_writes_nothing(prepared, model, tmp_path):
    class Stop(Exception):
        pass

    calls = []

    def check():
        calls.append(None)
        if len(calls) > len(prepared.validation_batches):
            raise Stop

    with pytest.raises(Stop):
        Validator(CONFIG, model[0], prepared, make_mesh()).validate(
            model[1], tmp_path / "t" / "1.txt", check
        )
    assert not (tmp_path / "t").exists()


def test_aer_is_that_of_the_links_with_the_references(prepared, model, tmp_path):
    config = replace(CONFIG, validation=ValidationConfig(max_sentences=5, aer=True, score="aer"))
    gold = load_gold(config.data, "validation")
    measuring = replace(prepared, validation_gold=gold)
    graph, params = model
    validator = Validator(config, graph, measuring, make_mesh())
    measured = validator.validate(params, tmp_path / "t" / "1.txt", lambda: None)
    sure = hits_sure = hits_possible = links = 0
    translator = validator.translator(params)
    pairs = list(zip(prepared.validation.source, prepared.validation.target, gold, strict=True))[:5]
    for source, target, marks in pairs:
        found = set(translator.align(source, target).links())
        links, sure = links + len(found), sure + len(marks.sure)
        hits_sure += len(found & marks.sure)
        hits_possible += len(found & (marks.sure | marks.possible))
    assert links > 0
    assert measured.aer == pytest.approx(1 - (hits_sure + hits_possible) / (links + sure))
    assert measured.score == -measured.aer


def test_without_gold_there_is_no_aer(prepared, model, tmp_path):
    validator = Validator(CONFIG, model[0], prepared, make_mesh())
    assert prepared.validation_gold is None
    assert validator.validate(model[1], tmp_path / "t" / "1.txt", lambda: None).aer is None
