"""Programs for every shape before the first step, and none after."""

import logging

import jax
import numpy as np
import pytest

from nmt.config.schema import RecurrentConfig, TrainingConfig
from nmt.data.batching import Batches, choose_shapes
from nmt.data.encoding import EncodedPairs, Ragged
from nmt.data.vocabulary import SpecialPieces
from nmt.models.build import build_model, split_model
from nmt.training.compilation import CompiledSteps
from nmt.training.step import Trainer

SIZE, SPECIAL = 12, SpecialPieces(pad_id=0, bos_id=2, eos_id=3)
MODEL = RecurrentConfig(
    embedding_dim=4, encoder_dim=4, decoder_dim=4, alignment_dim=4, readout_dim=4, dropout=0.3
)


@pytest.fixture(scope="module")
def batches():
    rng = np.random.default_rng(0)

    def side():
        return Ragged.from_arrays(
            [np.append(rng.integers(4, SIZE, n), SPECIAL.eos_id) for n in rng.integers(1, 12, 40)]
        )

    pairs = EncodedPairs(side(), side())
    shapes = choose_shapes(
        pairs.source.lengths,
        pairs.target.lengths,
        num_shapes=3,
        batch_pieces=64,
        batch_sentences=None,
        row_multiple=4,
    )
    return Batches(pairs, shapes, SPECIAL, data_seed=0, model_seed=0)


def make_steps(batches, accumulation):
    config = TrainingConfig()
    graph, params = split_model(build_model(MODEL, source_size=SIZE, target_size=SIZE))
    trainer = Trainer.from_config(graph, config)
    state = trainer.initial_state(params)
    return CompiledSteps(trainer, state, batches.shapes, accumulation), state


@pytest.fixture
def compilations():
    """The number of programs that XLA has compiled since the test began, as a list's length."""
    seen = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_nothing_compiles_after_the_warm_up(batches, compilations, accumulation):
    assert len(batches.shapes) == 3
    steps, state = make_steps(batches, accumulation)
    assert len(compilations) >= 3
    key, warm = jax.random.key(0), None
    for step in range(2 * batches.num_batches):
        indices = range(step * accumulation, (step + 1) * accumulation)
        now = [batches.batch(index) for index in indices]
        state, metrics = steps.step(state, now, jax.random.fold_in(key, step))
        if step == 0:  # key, sums and update are small programs of their own
            warm = len(compilations)
    assert len(compilations) == warm
    assert np.isfinite(metrics.sums.loss)


def test_the_ledger_names_each_shape_with_its_seconds_and_bytes(batches, caplog):
    caplog.set_level(logging.INFO, logger="nmt")
    make_steps(batches, 1)
    lines = [r.getMessage() for r in caplog.records if r.getMessage().startswith("shape:")]
    assert len(lines) == len(batches.shapes)
    for line, shape in zip(lines, batches.shapes, strict=True):
        assert f"{shape.rows} sentences of {shape.source} source and {shape.target} target" in line
        assert "compiled in" in line and "MiB" in line
