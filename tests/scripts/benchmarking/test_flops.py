"""The formula against every matrix product that the training step's gradient holds."""

import math
from functools import partial

import jax
import numpy as np
import pytest
from benchmarking.flops import costs, work
from flax import nnx
from jax.extend.core import jaxprs_in_params

from nmt.config.schema import RecurrentConfig, TrainingConfig, TransformerConfig
from nmt.data.batching import Batch
from nmt.models.biased_kernel import num_bias_rows
from nmt.models.build import build_model, split_model
from nmt.training import loss
from nmt.training.step import Trainer

B, S, T, V = 2, 5, 7, 128  # V fills the rows of the projection, as 128 is what they are padded to
RECURRENT = dict(
    embedding_dim=24, encoder_dim=20, decoder_dim=28, alignment_dim=16, readout_dim=36, dropout=0.1
)
TRANSFORMER = dict(architecture="transformer", model_dim=24, feedforward_dim=40, num_heads=2)
MODELS = {
    "GRU": RecurrentConfig(**RECURRENT),
    "reset before": RecurrentConfig(**RECURRENT, cell="gru_reset_before", readout="maxout"),
    "LSTM": RecurrentConfig(**RECURRENT, cell="lstm", encoder_layers=2, decoder_layers=3),
    "nested": RecurrentConfig(**RECURRENT, cell="lstm_nested", bidirectional=False),
    "full peepholes": RecurrentConfig(**RECURRENT, cell="lstm_peephole_full"),
    "depth gates": RecurrentConfig(
        **RECURRENT, cell="lstm_depth_gated", encoder_layers=2, decoder_layers=2
    ),
    "clockwork": RecurrentConfig(**RECURRENT, cell="clockwork"),
    "two updates": RecurrentConfig(**RECURRENT, decoder_order="update_attend_update"),
    "Luong, general, fed": RecurrentConfig(
        **RECURRENT, attention="general", decoder_order="update_attend", input_feeding=True
    ),
    "Luong, additive": RecurrentConfig(**RECURRENT, decoder_order="update_attend"),
    "concat": RecurrentConfig(**RECURRENT, attention="concat"),
    "dot": RecurrentConfig(
        **RECURRENT | dict(encoder_dim=14), attention="dot", decoder_order="update_attend"
    ),
    "fixed context": RecurrentConfig(**RECURRENT, attention="none"),
    "initial state": RecurrentConfig(
        **RECURRENT,
        attention="none",
        fixed_context="initial_state",
        readout_state="previous",
        bidirectional=False,  # of two directions the decoder would start from one alone
    ),
    "Transformer": TransformerConfig(**TRANSFORMER, encoder_layers=2, decoder_layers=3),
    "pre-norm": TransformerConfig(**TRANSFORMER, norm="pre", tie_projection=True),
}


def multiply_adds(jaxpr):
    """Those of every product in a traced function, loops gone through as often as they run."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left, out = equation.invars[0].aval, equation.outvars[0].aval
            total += math.prod(out.shape) * math.prod(left.shape[axis] for axis in contracted)
        inner = jaxprs_in_params(equation.params)
        assert not inner or equation.primitive.name not in ("while", "cond"), "how often?"
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        total += times * sum(multiply_adds(getattr(each, "jaxpr", each)) for each in inner)
    return total


def products_of_gradient(model):
    build = partial(build_model, model, source_size=V, target_size=V)
    graph, params = split_model(nnx.eval_shape(build))
    trainer = Trainer.from_config(graph, TrainingConfig())
    pieces, real = np.zeros((B, T), np.int32), np.ones((B, T), bool)
    batch = Batch(pieces[:, :S], real[:, :S], pieces, pieces, real)
    keys = jax.random.split(jax.random.key(0), len(batch.source))
    traced = jax.make_jaxpr(trainer.gradients)(params, batch, keys)
    return multiply_adds(traced.jaxpr)


def all_at_once(add, sums, made, positions, chunk_size):
    """In place of `scan_real`, whose loops end where a batch says; here all positions are real."""
    del made, chunk_size
    return add(sums, positions)


@pytest.mark.parametrize("name", MODELS)
def test_the_formula_counts_the_products_of_forward_and_backward_pass(name, monkeypatch):
    monkeypatch.setattr(loss, "scan_real", all_at_once)
    model, pairs = MODELS[name], (np.full(B, S), np.full(B, T))
    cost = costs(model, V)
    # The program takes the causal products that it then masks, too: one for each later position.
    masked = 3 * B * cost.target_target * T * (T - 1) // 2
    is_recurrent = model.architecture == "recurrent"
    features_dim = model.readout_dim if is_recurrent else model.model_dim
    bias = 2 * B * T * num_bias_rows(features_dim) * V  # of the kernel, and their gradient
    more = products_of_gradient(model) - masked - bias
    more -= work(model, V, *pairs).training_flops // 2
    # It must take all that the formula has, and may take some of it twice: the products between
    # pairs of positions, rather than keep what they are taken from for the backward pass.
    assert 0 <= more <= B * S * T * cost.target_source


def test_padding_is_no_work_and_lengths_add_up():
    model = MODELS["pre-norm"]
    one, other = (work(model, V, np.array([s]), np.array([t])) for s, t in ((5, 7), (9, 2)))
    both = work(model, V, np.array([5, 9]), np.array([7, 2]))
    assert both == tuple(np.add(one, other))
    assert both.training_flops == one.training_flops + other.training_flops
