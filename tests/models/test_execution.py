"""However a model is computed, it is the same function; and what cannot be computed is said so."""

import jax
import numpy as np
import pytest
from flax import nnx

from nmt.config.schema import TrainingConfig
from nmt.devices.compiled_programs import use_deterministic_programs
from nmt.errors import ConfigError
from nmt.models import execution
from nmt.models.build import build_model, merge_model, split_model
from nmt.models.execution import (
    for_training,
    in_precision,
    in_use,
    unrolled,
    with_fused_attention,
)

B, S, T = 3, 5, 7  # no multiple of an iteration's positions below
MASK = np.arange(S) < np.array([[5], [1], [3]])


def features_and_gradient(tiny, model):
    """Of a weighted sum of the features of a forced pass."""
    rng = np.random.default_rng(0)
    source = rng.integers(tiny.source_size, size=(B, S))
    target_in = rng.integers(tiny.target_size, size=(B, T))
    graph, _ = split_model(model)

    @jax.jit
    @jax.grad
    def gradient(params):
        features = merge_model(graph, params)(source, MASK, target_in).features
        return (features * np.random.default_rng(1).normal(size=features.shape)).sum()

    return model(source, MASK, target_in).features, gradient(tiny.params)


def test_deterministic_training_on_a_gpu_needs_programs_that_are(monkeypatch):
    training = TrainingConfig(deterministic=True)
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=false")
    with pytest.raises(ConfigError, match="training.deterministic needs --xla_gpu_deterministic_o"):
        execution.check_platform(training, "gpu")
    execution.check_platform(training, "cpu")
    execution.check_platform(TrainingConfig(), "gpu")
    use_deterministic_programs()
    execution.check_platform(training, "gpu")


def assert_close(ours, expected, **tolerance):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), ours, expected)


@pytest.mark.parametrize("name", ["rnnsearch", "deep_gru_shared_tied", "luong"])
def test_unrolled_recurrences_are_the_same_function(variants, name):
    """In both directions, in upper layers, and with what is fed back."""
    tiny = variants(name)
    model = unrolled(tiny.model, positions=3)
    assert set(unrolls(tiny, model)) == {3}
    expected = features_and_gradient(tiny, tiny.model)
    assert_close(features_and_gradient(tiny, model), expected, atol=1e-4, rtol=1e-4)


def test_unrolled_layers_are_the_same_function(variants):
    tiny = variants("transformer_post")
    model = unrolled(tiny.model, layers=True)
    assert unrolls(tiny, model) == [2, 2]  # all layers of the encoder and of the decoder
    expected = features_and_gradient(tiny, tiny.model)
    assert_close(features_and_gradient(tiny, model), expected, atol=1e-4, rtol=1e-4)


def unrolls(tiny, model):
    """The elements to an iteration, of each scan of a forced pass."""
    scans = [e for e in traced(tiny, model).eqns if e.primitive.name == "scan"]
    return [scan.params["unroll"] for scan in scans]


def traced(tiny, model):
    """The program of a forced pass."""
    pieces = np.zeros((B, T), int)
    return jax.make_jaxpr(lambda: model(pieces[:, :S], MASK, pieces).features)().jaxpr


@pytest.mark.parametrize("name", ["transformer_post", "transformer_pre_shared_tied"])
def test_fused_attention_is_the_same_function_but_for_rounding(tiny, variant_configs, name):
    """By jax's own version, which every device has, against ours with the same operands."""
    of_type = tiny(variant_configs[name], "bfloat16")
    fused = with_fused_attention(of_type.model, "xla")
    ours = features_and_gradient(of_type, fused)
    expected = features_and_gradient(of_type, of_type.model)
    assert str(traced(of_type, fused)) != str(traced(of_type, of_type.model))
    scale = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected[1]))
    assert_close(ours[0], expected[0], atol=0.06)
    assert_close(ours[1], expected[1], atol=0.03 * scale)


@pytest.mark.parametrize("name", ["conditional_lstm", "transformer_pre_shared_tied"])
def test_another_precision_is_as_if_the_model_had_been_built_with_it(variants, name):
    tiny_model = variants(name)
    size = tiny_model.source_size

    def graph_in(precision):
        sizes = dict(source_size=size, target_size=tiny_model.target_size, precision=precision)
        graphs = []

        def parts():
            graph, params = split_model(build_model(tiny_model.config, **sizes))
            graphs.append(graph)
            return params

        return jax.eval_shape(parts), graphs[0]

    shapes, exact = graph_in("float32")
    _, rounded = graph_in("bfloat16")
    assert exact != rounded and in_precision(exact, shapes, "float32") == exact
    assert in_precision(exact, shapes, "bfloat16") == rounded
    assert in_precision(rounded, shapes, "float32") == exact


@pytest.mark.parametrize(
    "platform, unroll, wanted",
    [("cpu", None, 1), ("gpu", None, 4), ("tpu", None, 4), ("cpu", 3, 3)],
)
def test_accelerators_take_several_positions_at_once(
    tiny, recurrent_config, platform, unroll, wanted
):
    model = nnx.eval_shape(lambda: tiny(recurrent_config).model)
    chosen = for_training(model, TrainingConfig(unroll=unroll), platform)
    assert chosen.unroll == chosen.encoder.unroll == wanted
    assert model.unroll == model.encoder.unroll == 1  # a copy was changed


CUDNN = TrainingConfig(attention="cudnn", precision="bfloat16")


def test_cudnn_is_chosen_on_a_gpu_alone(tiny, transformer_config):
    model = nnx.eval_shape(lambda: tiny(transformer_config).model)
    chosen = for_training(model, CUDNN, "gpu")
    assert chosen.encoder.layers.attention.implementation == "cudnn"
    assert chosen.decoder.layers.attention.implementation == "cudnn"
    for platform in ("cpu", "tpu"):
        with pytest.raises(ConfigError, match=f"needs an NVIDIA GPU; got {platform}"):
            for_training(model, CUDNN, platform)


@pytest.mark.parametrize("platform, lacks", [("cpu", False), ("gpu", True), ("tpu", True)])
def test_a_model_is_used_in_the_precision_of_its_training(monkeypatch, platform, lacks):
    monkeypatch.setattr(execution, "lacks_bfloat16", lambda: lacks)
    assert in_use("bfloat16", platform) == "bfloat16" and in_use("float32", platform) == "float32"


def test_a_cpu_that_lacks_bfloat16_computes_in_float32(monkeypatch):
    monkeypatch.setattr(execution, "lacks_bfloat16", lambda: True)
    assert in_use("bfloat16", "cpu") == in_use("float32", "cpu") == "float32"
