"""Models and batches that are small enough to train in a test."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from nmt.config.schema import RecurrentConfig, TransformerConfig
from nmt.data.batching import Batch
from nmt.models.build import build_model, split_model

PAD, UNK, BOS, EOS = range(4)
FAMILIES = {
    "recurrent": RecurrentConfig(
        embedding_dim=16, encoder_dim=16, decoder_dim=32, alignment_dim=16, readout_dim=32
    ),
    "fixed_context": RecurrentConfig(
        embedding_dim=16, encoder_dim=32, decoder_dim=64, attention="none", readout_dim=32
    ),
    "transformer": TransformerConfig(
        model_dim=32,
        feedforward_dim=64,
        num_heads=2,
        encoder_layers=1,
        decoder_layers=1,
        norm="pre",
        dropout=0.0,
    ),
}
FAMILIES["dropping"] = replace(FAMILIES["transformer"], dropout=0.2, attention_dropout=0.1)
SIZE = 14  # special pieces and ten digits


def reversal_batch(rng, num_rows, *, min_length=1, max_length=5):
    """Digits and the same digits backwards: pieces 4 to 13."""
    source = np.full((num_rows, max_length + 1), PAD, np.int32)
    target_in, target_out = source.copy(), source.copy()
    target_in[:, 0] = BOS
    lengths = rng.integers(min_length, max_length + 1, size=num_rows)
    for row, length in enumerate(lengths):
        digits = rng.integers(4, SIZE, size=length)
        source[row, : length + 1] = [*digits, EOS]
        target_in[row, 1 : length + 1] = digits[::-1]
        target_out[row, : length + 1] = [*digits[::-1], EOS]
    mask = np.arange(max_length + 1) <= lengths[:, None]
    return Batch(source, mask, target_in, target_out, mask)


@pytest.fixture(scope="session")
def make_batch():
    """make_batch(seed, num_rows) -> Batch of digits to reverse."""
    return lambda seed, num_rows, **lengths: reversal_batch(
        np.random.default_rng(seed), num_rows, **lengths
    )


@pytest.fixture(scope="session")
def parts():
    """parts(family) -> graph, params of a small model, fresh as `build_model` makes it."""
    made = {}

    def make(family):
        if family not in made:
            model = build_model(FAMILIES[family], source_size=SIZE, target_size=SIZE)
            made[family] = split_model(model)
        graph, params = made[family]
        return graph, jax.tree.map(np.array, params)

    return make
