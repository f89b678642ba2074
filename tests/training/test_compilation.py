"""Programs for every shape, made beside the first steps, and none after."""

import logging
import re
import threading
from dataclasses import replace
from itertools import product

import jax
import numpy as np
import pytest

from nmt.config.schema import RecurrentConfig, TrainingConfig, TransformerConfig
from nmt.data.batching import Batches, choose_shapes
from nmt.data.encoding import EncodedPairs, Ragged
from nmt.data.vocabulary import SpecialPieces
from nmt.devices.mesh import by_rows, make_mesh, to_devices
from nmt.models.build import build_model, split_model
from nmt.models.partition import shardings
from nmt.training import compilation
from nmt.training.compilation import CompiledSteps
from nmt.training.members import Members
from nmt.training.step import Trainer

SIZE, SPECIAL = 12, SpecialPieces(pad_id=0, bos_id=2, eos_id=3)
MODEL = RecurrentConfig(
    embedding_dim=4, encoder_dim=4, decoder_dim=4, alignment_dim=4, readout_dim=4, dropout=0.3
)


def make_batches(num_shapes):
    rng = np.random.default_rng(0)

    def side():
        return Ragged.from_arrays(
            [np.append(rng.integers(4, SIZE, n), SPECIAL.eos_id) for n in rng.integers(1, 12, 40)]
        )

    pairs = EncodedPairs(side(), side())
    shapes = choose_shapes(
        pairs.source.lengths,
        pairs.target.lengths,
        num_shapes=num_shapes,
        batch_pieces=64,
        batch_sentences=None,
        row_multiple=4,
    )
    return Batches(pairs, shapes, SPECIAL, data_seed=0, model_seed=0)


@pytest.fixture(scope="module")
def batches():
    return make_batches(num_shapes=2)


class Training:
    """A model on a mesh, and its compiled steps."""

    def __init__(
        self,
        batches,
        accumulation=1,
        model=MODEL,
        mesh=None,
        check=lambda: None,
        weight=0.0,
        seed=1,
    ):
        self.batches, self.accumulation = batches, accumulation
        self.mesh = make_mesh() if mesh is None else mesh
        graph, params = split_model(build_model(model, source_size=SIZE, target_size=SIZE))
        config = TrainingConfig(average_decay=0.9, alignment_weight=weight)
        trainer = Trainer.from_config(graph, config)
        state = trainer.initial_state(params)
        self.state = jax.device_put(state, shardings(state, self.mesh))
        self.steps = CompiledSteps(
            trainer,
            self.state,
            batches.shapes_from(0),
            self.mesh,
            accumulation=accumulation,
            members=Members((seed,)),
            check=check,
        )

    def step(self, number):
        """Takes a step; returns the loss of a piece."""
        indices = range(number * self.accumulation, (number + 1) * self.accumulation)
        now = [to_devices(by_rows(self.mesh), self.batches.batch(index)) for index in indices]
        self.state, metrics = self.steps.step(self.state, now)
        self.sums = metrics.sums
        return float(metrics.sums.loss) / int(metrics.sums.num_pieces)

    def gradients(self, step, part):
        """Of the first batch, as if it were part `part` of a step; in bytes."""
        batch = to_devices(by_rows(self.mesh), self.batches.batch(0))
        self.steps.wait([batch])
        counted = jax.device_put(np.int32(step), self.state.counters.step.sharding)
        program = self.steps.programs[self.batches.shape_of(0)]
        gradients, _ = program(self.state.params, counted, batch, np.int32(part))
        return b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(gradients))


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
    assert len(batches.shapes) == 2
    training = Training(batches, accumulation)
    training.steps.wait()
    assert len(compilations) >= 2
    warm = len(compilations)
    for step in range(2 * batches.num_batches):
        assert np.isfinite(training.step(step))
    assert len(compilations) == warm


def test_dropout_is_another_of_each_seed_step_and_part():
    """Of the same parameters and the same batch; and without dropout none of them counts."""
    batches = make_batches(num_shapes=1)
    where = list(product((0, 1), repeat=2))  # step, part

    def gradients(rate):
        model = replace(MODEL, dropout=rate)
        runs = [Training(batches, model=model, seed=seed) for seed in (1, 2)]
        first, again = [[run.gradients(*w) for run in runs for w in where] for _ in range(2)]
        assert first == again
        return first

    assert len(set(gradients(0.3))) == 2 * len(where)
    assert len(set(gradients(0.0))) == 1


def test_the_ledger_names_each_shape_with_its_seconds_and_bytes(batches, caplog):
    caplog.set_level(logging.INFO, logger="nmt")
    Training(batches).steps.wait()
    lines = [r.getMessage() for r in caplog.records if r.getMessage().startswith("shape:")]
    assert len(lines) == len(batches.shapes)
    for shape in batches.shapes:
        named = f"{shape.rows} sentences of {shape.source} source and {shape.target} target"
        (line,) = [line for line in lines if named in line]
        assert "compiled in" in line and "MiB" in line


def test_a_signal_ends_the_wait_for_the_compiler(batches):
    class Stopped(Exception):
        pass

    def check():
        raise Stopped

    training = Training(batches, check=check)
    with pytest.raises(Stopped):
        training.step(0)
    training.steps.close()


@pytest.fixture
def compiler(monkeypatch):
    """A compiler of one thread, which after the two programs of a step does as `then` says."""

    class Held(compilation._Compiler):
        begun, then = 0, staticmethod(lambda: None)

        def _compile(self, function, arguments):
            Held.begun += 1
            if Held.begun > 2:
                self.then()
            return super()._compile(function, arguments)

    monkeypatch.setattr(compilation, "_Compiler", Held)
    monkeypatch.setattr(compilation, "num_cores", lambda: 1)
    return Held


def of_each_shape(batches):
    """The number of the first batch of each shape, as they come."""
    shapes = [batches.shape_of(index) for index in range(batches.num_batches)]
    return [shapes.index(shape) for shape in batches.shapes_from(0)]


def test_a_step_waits_for_its_own_program_alone(batches, compiler):
    first, second = of_each_shape(batches)
    held = threading.Event()
    compiler.then = staticmethod(held.wait)
    training = Training(batches)
    assert np.isfinite(training.step(first))
    assert np.isfinite(training.step(first))
    assert compiler.begun == 3 and not training.steps.is_ready([batches.batch(second)])
    held.set()
    assert np.isfinite(training.step(second))
    assert training.steps.is_ready([batches.batch(second)])


def test_an_error_of_the_compiler_ends_the_next_step_of_any_shape(batches, compiler):
    def fail():
        raise RuntimeError("RESOURCE_EXHAUSTED: no room")

    compiler.then = staticmethod(fail)
    first, _ = of_each_shape(batches)
    training = Training(batches)
    with pytest.raises(RuntimeError, match="no room"):
        for _ in range(1000):  # the error comes at its own time
            training.step(first)


COLLECTIVE = re.compile(r" (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)\(")


def test_devices_add_up_their_gradients_and_otherwise_work_alone(batches):
    """No logits are made twice, and no step of a scan waits for another device."""
    training = Training(batches, mesh=make_mesh(devices=jax.devices()[:2]))
    training.steps.wait()
    for shape in batches.shapes:
        program = training.steps.programs[shape].as_text()
        functions, entry = program.split("\nENTRY ")
        assert not COLLECTIVE.search(functions)
        assert set(COLLECTIVE.findall(entry)) == {"all-reduce"}


TRANSFORMER = TransformerConfig(
    model_dim=8, feedforward_dim=16, num_heads=4, encoder_layers=1, decoder_layers=2, dropout=0.3
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model, accumulation, meshes",
    [(MODEL, 2, ((4, 1), (2, 2), (1, 2))), (TRANSFORMER, 1, ((2, 2), (1, 2)))],
    ids=["recurrent", "transformer"],
)
def test_every_mesh_has_the_losses_of_one_device(model, accumulation, meshes):
    """Batches and parameters dealt out any way: the same mathematics, dropout included."""
    batches, losses = make_batches(num_shapes=1), []
    for data, over in ((1, 1), *meshes):
        mesh = make_mesh(over, jax.devices()[: data * over])
        training = Training(batches, accumulation, model, mesh)
        losses.append([training.step(step) for step in range(6)])
        table = training.state.params["target_embedding"]["table"]
        assert table.sharding.shard_shape(table.shape)[0] * over == table.shape[0]
    assert len(set(losses[0])) == len(losses[0])
    for mesh_losses in losses[1:]:
        np.testing.assert_allclose(mesh_losses, losses[0], rtol=2e-5)


class EveryThird:
    """Links a third of the pieces of every pair; what is no piece has none."""

    def matrices(self, indices, source, target):
        steps = np.add.outer(np.arange(target.shape[1]), np.arange(source.shape[1]))
        chosen = (indices[:, None, None] + steps) % 3 == 0
        real = [(side != SPECIAL.pad_id) & (side != SPECIAL.eos_id) for side in (target, source)]
        return chosen & real[0][:, :, None] & real[1][:, None, :]


@pytest.mark.slow
def test_guided_training_is_the_same_on_every_mesh_and_compiles_nothing_later(compilations):
    batches, measured = make_batches(num_shapes=1), []
    batches.piece_links = EveryThird()
    for data, over in ((1, 1), (2, 2)):
        mesh = make_mesh(over, jax.devices()[: data * over])
        training = Training(batches, 2, MODEL, mesh, weight=0.7)
        training.steps.wait()
        training.step(0)
        warm = len(compilations)
        losses = [training.step(step) for step in range(1, 5)]
        assert len(compilations) == warm
        guided = training.sums.alignment
        measured.append([*losses, float(guided.loss), int(guided.num_pieces)])
    assert measured[0][-1] > 0
    np.testing.assert_allclose(measured[1], measured[0], rtol=2e-5)
