"""Nothing compiles after the warm-up, as jax itself tells, through epochs, validations, a resume.

The warm-up of a process is over when the ledger has every shape and the first validation is done.
"""

from dataclasses import replace

import jax
import pytest

from nmt.config.schema import (
    Config,
    DataConfig,
    EmbeddedConfig,
    RecurrentConfig,
    TrainingConfig,
    ValidationConfig,
    VocabularyConfig,
)
from nmt.training import loop
from nmt.training.loop import train

COMPILER_EVENTS = "/jax/core/compile/"  # tracing, lowering, compiling or reading from the cache
NUM_SHAPES = 3
CONFIG = Config(
    data=DataConfig(
        path="embedded",
        embedded=EmbeddedConfig(num_train=60, num_validation=7, num_test=2, max_words=9),
        batch_pieces=128,
        num_shapes=NUM_SHAPES,
    ),
    vocabulary=VocabularyConfig(size=200),
    model=RecurrentConfig(
        embedding_dim=4, encoder_dim=4, decoder_dim=4, alignment_dim=4, readout_dim=4, dropout=0.2
    ),
    training=TrainingConfig(
        num_steps=9,
        average_decay=0.9,
        schedule="plateau",
        plateau_patience=1,
        log_every=2,
        save_every=3,
    ),
    validation=ValidationConfig(every=3, max_sentences=5),
)


@pytest.fixture
def compiler_events():
    """What jax says that it traced, lowered or compiled, in order."""
    seen = []

    def listen(event, duration, **more):
        if event.startswith(COMPILER_EVENTS):
            seen.append((event.removeprefix(COMPILER_EVENTS), more.get("fun_name")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


class Watched:
    """Training runs, watched for the steps taken and for what compiles in and after the warm-up."""

    def __init__(self, monkeypatch, events):
        self.events = events
        loop_itself, validate = loop._loop, loop.Validator.validate

        def watched_loop(equipment, state, standing, step):
            assert len(equipment.prepared.batches.shapes) == NUM_SHAPES
            equipment.compiled.wait()
            self.num_batches = equipment.prepared.batches.num_batches
            self.first_step, self.validations = step, []  # the events at the end of each
            return loop_itself(equipment, state, standing, step)

        def watched_validate(validator, *arguments):
            result = validate(validator, *arguments)
            self.validations.append(len(self.events))
            return result

        monkeypatch.setattr(loop, "_loop", watched_loop)
        monkeypatch.setattr(loop.Validator, "validate", watched_validate)

    def train(self, config, path):
        """Returns the compiler's events of the warm-up, and those after it."""
        start = len(self.events)
        train(config, path)
        warm = self.validations[0]
        return self.events[start:warm], self.events[warm:]


@pytest.mark.slow
def test_nothing_compiles_after_the_warm_up(tmp_path, monkeypatch, compiler_events):
    watched = Watched(monkeypatch, compiler_events)
    warming, later = watched.train(CONFIG, tmp_path / "run")
    assert sum(event == "backend_compile_duration" for event, _ in warming) > NUM_SHAPES
    assert later == []
    assert len(watched.validations) == 3

    jax.clear_caches()  # a resume is another process
    further = 2 * watched.num_batches + 9  # two epochs more
    resumed = replace(CONFIG, training=replace(CONFIG.training, num_steps=further))
    _, later = watched.train(resumed, tmp_path / "run")
    assert later == []
    assert watched.first_step == 9 and len(watched.validations) >= 2
