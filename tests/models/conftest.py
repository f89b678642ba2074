"""Tiny models of every kind, whose parameters (biases too) are random numbers from numpy."""

from dataclasses import dataclass, replace
from functools import cache, cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.config.schema import ModelConfig, RecurrentConfig, TransformerConfig
from nmt.models.build import build_model, merge_model, split_model
from tests.models.reference_cells import REFERENCE_CELLS

SOURCE_SIZE, TARGET_SIZE = 9, 11  # a model that shares its embeddings has 11 on both sides

RECURRENT = RecurrentConfig(
    embedding_dim=4, encoder_dim=3, decoder_dim=5, alignment_dim=6, readout_dim=7
)
TRANSFORMER = TransformerConfig(
    model_dim=8, feedforward_dim=12, num_heads=2, encoder_layers=2, decoder_layers=2
)
RNNSEARCH = replace(
    RECURRENT, cell="gru_reset_before", readout="maxout", readout_state="previous"
)  # as published
PRE_NORM = replace(
    TRANSFORMER,
    norm="pre",
    sinusoids="halves",
    activation="swish",
    encoder_layers=1,
    share_embeddings=True,
    tie_projection=True,
    alignment_layer=0,
    alignment_head=1,
)
VARIANTS = {
    "rnnsearch": RNNSEARCH,
    "deep_gru_shared_tied": replace(
        RECURRENT,
        encoder_layers=2,
        decoder_layers=2,
        readout_dim=4,
        share_embeddings=True,
        tie_projection=True,
    ),
    "conditional_gru": replace(
        RECURRENT,
        decoder_order="update_attend_update",
        decoder_layers=2,
        readout_state="previous",
        bidirectional=False,
    ),
    "conditional_lstm": replace(RECURRENT, cell="lstm", decoder_order="update_attend_update"),
    "luong": replace(
        RECURRENT,
        cell="lstm",
        attention="general",
        decoder_order="update_attend",
        input_feeding=True,
        bidirectional=False,
        decoder_layers=2,
    ),
    "fixed_context_gru": replace(RECURRENT, cell="gru_reset_before", attention="none"),
    "fixed_context_lstm": replace(
        RECURRENT,
        cell="lstm",
        attention="none",
        fixed_context="initial_state",
        encoder_layers=2,
        decoder_layers=2,
        bidirectional=False,
    ),
    "rnnsearch_bfloat16": RNNSEARCH,
    "transformer_post": TRANSFORMER,
    "transformer_pre_shared_tied": PRE_NORM,
    "transformer_one_layer_bfloat16": replace(
        TRANSFORMER,
        norm="pre",
        activation="gelu",
        decoder_layers=1,
        scale_embeddings=False,
        alignment_head=0,
    ),
}


@dataclass(frozen=True)
class TinyModel:
    """A model taken apart, and its functions compiled."""

    config: ModelConfig
    graph: object
    params: dict
    precision: str
    source_size: int

    target_size = TARGET_SIZE

    @property
    def model(self):
        return merge_model(self.graph, jax.tree.map(jnp.asarray, self.params))

    @property
    def tolerance(self):
        """How far two ways to compute the same may differ.

        Where operands are rounded to bfloat16, the last bit of a float32 decides the rounding.
        """
        return {"atol": 1e-5} if self.precision == "float32" else {"atol": 0.03}

    @cached_property
    def forward(self):
        """(source, source_mask, target_in) -> Decoded."""
        return partial(jax.jit(lambda params, *a: merge_model(self.graph, params)(*a)), self.params)

    @cached_property
    def start(self):
        """(source, source_mask, num_hypotheses, max_length) -> memory, state."""

        def start(params, source, source_mask, num_hypotheses, max_length):
            model = merge_model(self.graph, params)
            memory = model.encode(source, source_mask)
            return memory, model.init_state(memory, num_hypotheses, max_length)

        return partial(jax.jit(start, static_argnums=(3, 4)), self.params)

    @cached_property
    def step(self):
        """(state, memory, piece, position) -> state, features, alignment; as search steps."""

        def step(params, *arguments):
            model = merge_model(self.graph, params)
            return model.for_steps().step(*arguments)

        return partial(jax.jit(step), self.params)


@cache
def make_tiny(config: ModelConfig, precision: str = "float32", seed: int = 0) -> TinyModel:
    """The shapes are the builder's, the numbers ours: initialisers take seconds to compile."""
    source_size = TARGET_SIZE if config.share_embeddings else SOURCE_SIZE
    graphs = []

    def parts():
        graph, params = split_model(
            build_model(
                config, source_size=source_size, target_size=TARGET_SIZE, precision=precision
            )
        )
        graphs.append(graph)
        return params

    rng = np.random.default_rng(seed)
    params = jax.tree.map(
        lambda leaf: rng.normal(scale=0.5, size=leaf.shape).astype(leaf.dtype),
        jax.eval_shape(parts),
    )
    return TinyModel(config, graphs[0], params, precision, source_size)


@pytest.fixture(scope="session")
def variant_configs():
    """The config of each kind of model, by name."""
    return VARIANTS


@pytest.fixture(scope="session")
def tiny():
    """tiny(config, precision) -> TinyModel."""
    return make_tiny


@pytest.fixture(scope="session")
def recurrent_config():
    return RECURRENT


@pytest.fixture(scope="session")
def transformer_config():
    return TRANSFORMER


@pytest.fixture(scope="package", params=VARIANTS)
def variant(request, variants):
    """Each kind of model in turn."""
    return variants(request.param)


@pytest.fixture(scope="session")
def variants():
    """variants(name) -> TinyModel: some of the kinds, by name."""

    def make(name):
        return make_tiny(VARIANTS[name], "bfloat16" if "bfloat16" in name else "float32")

    return make


@pytest.fixture(scope="session")
def reference_cells():
    """name -> (params, x (E,), state, below) -> state, by the papers' equations in numpy."""
    return REFERENCE_CELLS
