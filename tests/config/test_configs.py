"""The experiments in configs/: they are read, have the published sizes, and can take a step."""

import re
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from nmt.config.reader import read_config
from nmt.data.batching import Batch
from nmt.models.build import build_model, split_model
from nmt.models.seq2seq import padded_size
from nmt.training.optimizer import make_schedule
from nmt.training.step import Trainer
from tests.training.train_step import train_step

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
NAMES = sorted(
    path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml")
)
SHRUNK = {
    "recurrent": dict(
        embedding_dim=4, encoder_dim=3, decoder_dim=5, alignment_dim=6, readout_dim=7
    ),
    "transformer": dict(model_dim=8, feedforward_dim=12, num_heads=2),
}
LAYERS = "encoder_layers", "decoder_layers"  # of which two are as good as four


def config_of(name):
    return read_config(CONFIGS / f"{name}.yaml")


def sizes(config):
    """Pieces of the source and the target vocabulary."""
    return dict(source_size=config.vocabulary.size, target_size=config.vocabulary.size)


def num_parameters(config):
    """Counted from shapes alone: no array is made."""
    shapes = jax.eval_shape(lambda: split_model(build_model(config.model, **sizes(config)))[1])
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def test_configs_that_are_named_anywhere_are_there():
    pages = [ROOT / "README.md", ROOT / "Makefile", *ROOT.glob("docs/*.md")]
    pages += [*ROOT.glob("notebooks/source/*.py"), *ROOT.glob("scripts/**/*.py")]
    named = {
        name
        for page in pages
        for name in re.findall(r"configs/([\w/]+)\.yaml", page.read_text(encoding="utf-8"))
    }
    assert named >= {"quickstart", "multi30k_gru", "multi30k_transformer"}
    any_of_them = {name for name in named if name.endswith(("NAME", "MODEL"))}
    assert named - any_of_them <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_head_comment_gives_the_command(name):
    text = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"#   nmt train configs/{name}.yaml\n" in text


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_the_shrunk_model_is_finite_and_moves_every_array(name):
    config = config_of(name)
    shrunk = SHRUNK[config.model.architecture]
    if config.model.tie_projection and config.model.architecture == "recurrent":
        shrunk = shrunk | {"readout_dim": shrunk["embedding_dim"]}
    layers = {name: min(getattr(config.model, name), 2) for name in LAYERS}
    model = replace(config.model, dropout=0.0, **layers, **shrunk)
    size, rng = 11, np.random.default_rng(0)
    graphs = []

    def parts():
        precision = config.training.precision
        graph, params = split_model(
            build_model(model, source_size=size, target_size=size, precision=precision)
        )
        graphs.append(graph)
        return params

    params = jax.tree.map(  # the initialisers would take seconds to compile
        lambda leaf: rng.normal(scale=0.3, size=leaf.shape).astype(leaf.dtype),
        jax.eval_shape(parts),
    )
    (graph,) = graphs
    training = replace(config.training, warmup_steps=1)
    trainer = Trainer.from_config(graph, training)
    source, target = rng.integers(4, size, (2, 6)), rng.integers(4, size, (2, 5))
    batch = Batch(source, source > 0, np.pad(target, ((0, 0), (1, 0)))[:, :5], target, target > 0)
    before = trainer.initial_state(params)
    step = jax.jit(train_step, static_argnums=0)
    after, metrics = step(trainer, before, batch, jax.random.key(0))
    assert np.isfinite(metrics.sums.loss)
    assert int(after.counters.skipped) == 0
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), before.params, after.params)
    still = [path for path, value in jax.tree.leaves_with_path(moved) if not value]
    assert not still, still


def test_rnnsearch50_has_the_published_size():
    config = config_of("wmt14_en_fr_rnnsearch50")
    m, n, a, readout = 620, 1000, 1000, 500  # embeddings, states, alignment, maxout: appendix
    V = padded_size(30000)
    gru = lambda inputs: 3 * (inputs * n + n + n * n)  # noqa: E731
    encoder = 2 * gru(m)
    decoder = gru(m) + 3 * 2 * n * n + (n * n + n)  # with C for c_i (2n), and W_s of s_0
    attention = n * a + 2 * n * a + a + a  # W_a, U_a with a bias, v_a
    deep_output = 2 * readout * (n + m + 2 * n) + 2 * readout
    vocabulary = 2 * V * m + V * readout + V
    assert num_parameters(config) == encoder + decoder + attention + deep_output + vocabulary


def test_luong2015_has_the_published_size():
    config = config_of("wmt14_en_de_luong2015")
    n, layers, V = 1000, 4, padded_size(50000)  # embeddings and states: section 4.1
    lstm = 4 * (n * n + n * n + n)
    fed, general, start = 4 * n * n, n * n, layers * (n * n + n)
    attentional = 3 * n * n + n  # W_c of c_i and s_i, here of E y_{i-1} too, and a bias
    vocabulary = 2 * V * n + V * n + V
    decoder = layers * lstm + fed + general + start + attentional
    assert num_parameters(config) == layers * lstm + decoder + vocabulary


def test_transformer_base_has_the_published_size():
    config = config_of("wmt14_en_de_transformer_base")
    D, F, layers, V = 512, 2048, 6, padded_size(37000)
    attention = 4 * (D * D + D)
    feedforward = D * F + F + F * D + D
    norm = 2 * D
    encoder = layers * (attention + feedforward + 2 * norm)
    decoder = layers * (2 * attention + feedforward + 3 * norm)
    assert num_parameters(config) == encoder + decoder + V * D + V  # one table for all three
    assert num_parameters(config) == pytest.approx(65e6, rel=0.05)  # table 3 says 65 million


def test_transformer_learning_rate_peaks_as_published():
    training = config_of("wmt14_en_de_transformer_base").training
    step = 4000
    published = 512**-0.5 * min(step**-0.5, step * 4000**-1.5)  # equation 3
    assert float(make_schedule(training)(step - 1)) == pytest.approx(published, rel=0.01)


def test_multi30k_transformer_is_the_tiny_one():
    config = config_of("multi30k_transformer")
    D, F, layers, V = 128, 256, 4, padded_size(config.vocabulary.size)
    attention, feedforward, norm = 4 * (D * D + D), 2 * D * F + F + D, 2 * D
    encoder = layers * (attention + feedforward + 2 * norm) + norm
    decoder = layers * (2 * attention + feedforward + 3 * norm) + norm
    assert num_parameters(config) == encoder + decoder + V * D + V
