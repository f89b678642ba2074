"""Training in bfloat16 as users compile it: backends lack code for some of these products."""

import jax
import numpy as np
import pytest

from nmt.config.schema import RecurrentConfig, TrainingConfig, TransformerConfig
from nmt.data.batching import Batch
from nmt.devices.mesh import make_mesh
from nmt.models.build import build_model, split_model
from nmt.models.partition import shardings
from nmt.training.step import Trainer

SIZE = 300
# Rounding to 8 bits moves an operand by at most 2^-9. A gradient goes through some 20 products on
# the way forward and as many on the way back, each of two operands.
BOUND = 2 * 20 * 2 * 2**-9
FAINT = 1e-3  # of the largest norm: below, what rounding leaves of larger terms
MODELS = {
    "recurrent": RecurrentConfig(
        embedding_dim=32, encoder_dim=32, decoder_dim=64, alignment_dim=32, readout_dim=32
    ),
    "transformer": TransformerConfig(
        model_dim=32,
        feedforward_dim=64,
        num_heads=4,
        encoder_layers=1,
        decoder_layers=1,
        tie_projection=True,
        share_embeddings=True,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("family", MODELS)
def test_gradients_agree_with_those_of_float32(family, optimized_compilation):
    rng = np.random.default_rng(0)
    source, target = rng.integers(4, SIZE, (16, 9)), rng.integers(4, SIZE, (16, 7))
    batch = Batch(source, source > 0, np.pad(target, ((0, 0), (1, 0)))[:, :7], target, target > 0)
    gradients = {}
    for precision, jit in (("float32", jax.jit), ("bfloat16", optimized_compilation)):
        graph, params = split_model(
            build_model(MODELS[family], source_size=SIZE, target_size=SIZE, precision=precision)
        )
        trainer = Trainer.from_config(graph, TrainingConfig())
        params = jax.device_put(params, shardings(params, make_mesh()))  # as in training
        gradients[precision], _ = jit(trainer.gradients)(params, batch, None)
    exact, rounded = (jax.tree.leaves_with_path(found) for found in gradients.values())
    largest = max(np.linalg.norm(leaf) for _, leaf in exact)
    for (path, leaf), (_, expected) in zip(rounded, exact, strict=True):
        error = np.linalg.norm(leaf - expected) / max(np.linalg.norm(expected), FAINT * largest)
        assert 0 < error < BOUND, path
