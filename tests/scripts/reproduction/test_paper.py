"""The configs of the four models, and the presets laid over them."""

from pathlib import Path

import pytest
from reproduction.paper import MODELS, PRESETS

from nmt.config.reader import differing_keys, read_config

CONFIGS = Path(__file__).parents[3] / "configs"


def config_of(model, preset="cpu-small"):
    return read_config(model.config, PRESETS[preset].overrides_of(model))


def test_there_is_a_config_for_each_model_and_no_other():
    found = sorted(path.stem for path in (CONFIGS / "bahdanau2015").glob("*.yaml"))
    assert found == sorted(model.stem for model in MODELS)
    for model in MODELS:
        head = model.config.read_text(encoding="utf-8")
        assert head.startswith(f"# {model.name} ")
        assert f"#   nmt train configs/bahdanau2015/{model.stem}.yaml\n" in head


@pytest.mark.parametrize("preset", PRESETS)
def test_the_models_differ_in_attention_and_the_length_of_sentences_alone(preset):
    first = config_of(MODELS[0], preset)
    for model in MODELS:
        config = config_of(model, preset)
        attends, words = model.name.startswith("RNNsearch"), int(model.name[-2:])
        expected = {"data.cleaning.max_words": words} if words != 30 else {}
        if attends:
            expected |= {"model.attention": "additive", "model.bidirectional": True}
        if preset == "paper" and model is not MODELS[0]:
            expected |= {"training.num_steps": model.updates}
        assert {key: value for key, _, value in differing_keys(first, config)} == expected
        assert config.model.attention == ("additive" if attends else "none")
        assert config.data.cleaning.max_words == words
        assert config.vocabulary.kind == "word" and config.search.unknown == "keep"


def test_the_paper_s_preset_has_the_published_model_and_optimiser():
    published = read_config(CONFIGS / "wmt14_en_fr_rnnsearch50.yaml")
    config = config_of(MODELS[-1], "paper")
    assert config.model == published.model and config.search == published.search
    assert config.training == published.training
    assert config.vocabulary.size == published.vocabulary.size
    assert config.data.batch_sentences == published.data.batch_sentences == 80


def test_the_paper_s_figures_say_that_attention_helps():
    """A slip in copying table 1 would be seen."""
    encdec_30, search_30, encdec_50, search_50 = MODELS
    for figure in ("all_sentences", "known_words"):
        order = [getattr(m, figure) for m in (encdec_30, encdec_50, search_30, search_50)]
        assert order == sorted(order)
    assert all(model.all_sentences < model.known_words for model in MODELS)
