"""Members of a run trained by one program: each as by itself, on any devices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nmt.config.schema import (
    Config,
    DataConfig,
    TrainingConfig,
    TransformerConfig,
)
from nmt.data.batching import Batches, choose_shapes
from nmt.data.encoding import EncodedPairs, Ragged
from nmt.data.vocabulary import SpecialPieces
from nmt.devices.mesh import make_mesh, to_devices
from nmt.training.compilation import CompiledSteps
from nmt.training.loss import LossSums
from nmt.training.members import Members
from nmt.training.resuming import initial
from nmt.training.step import Trainer, with_running

SIZE, SPECIAL = 12, SpecialPieces(pad_id=0, bos_id=2, eos_id=3)
SEEDS = (5, 6)
MODEL = TransformerConfig(
    model_dim=8, feedforward_dim=8, num_heads=2, encoder_layers=1, decoder_layers=1, dropout=0.3
)


class Diagonal:
    """Links the pieces in the same places; what is no piece has none."""

    def matrices(self, indices, source, target):
        real = [(side != SPECIAL.pad_id) & (side != SPECIAL.eos_id) for side in (target, source)]
        return np.eye(target.shape[1], source.shape[1], dtype=bool) & (
            real[0][:, :, None] & real[1][:, None, :]
        )


def make_batches():
    rng = np.random.default_rng(0)

    def side():
        return Ragged.from_arrays(
            [np.append(rng.integers(4, SIZE, n), SPECIAL.eos_id) for n in rng.integers(1, 8, 40)]
        )

    pairs = EncodedPairs(side(), side())
    shapes = choose_shapes(
        pairs.source.lengths,
        pairs.target.lengths,
        num_shapes=1,
        batch_pieces=64,
        batch_sentences=None,
        row_multiple=4,
    )
    return Batches(pairs, shapes, SPECIAL, data_seed=0, model_seed=SEEDS[0], piece_links=Diagonal())


class Training:
    """A run of some seeds on a mesh, from the very beginning."""

    def __init__(self, seeds, mesh=None):
        self.mesh = mesh or make_mesh()
        training = TrainingConfig(
            seed=seeds[0],
            num_seeds=len(seeds),
            average_decay=0.9,
            alignment_weight=0.5,
            # The gradient of the keys' bias is zero, but for its rounding, which a smaller epsilon
            # would blow up to whole steps.
            epsilon=1e-3,
        )
        config = Config(data=DataConfig(path="embedded"), model=MODEL, training=training)
        self.members = Members(training.seeds)
        trainer, self.initial = initial(config, self.members, (SIZE, SIZE), self.mesh)
        first = make_batches()
        self.plans = self.members.batches(first)
        self.steps = CompiledSteps(
            trainer,
            self.initial,
            first.shapes,
            self.mesh,
            accumulation=1,
            members=self.members,
            check=lambda: None,
        )

    def trained(self, steps, state=None):
        """Takes steps, those from 0 from the beginning; returns the state and the last metrics."""
        state = jax.tree.map(jnp.copy, self.initial if state is None else state)  # is used up
        rows = self.members.by_rows(self.mesh)
        for step in steps:
            batch = to_devices(rows, self.members.batch(self.plans, step))
            state, metrics = self.steps.step(state, [batch])
        return state, metrics


@pytest.fixture(scope="module")
def together():
    """Two members, dropout and guided alignment on."""
    return Training(SEEDS)


def assert_close(left, right):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-6), left, right)


def of_member(tree, k):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[k], tree)


@pytest.mark.slow
def test_a_member_equals_a_run_alone(together):
    """Parameters, moving average, optimiser, counters and what is measured."""
    found = together.trained(range(5))
    assert_close(of_member(found, 1), Training(SEEDS[1:]).trained(range(5)))
    tables = found[0].params["target_embedding"]["table"]
    assert not np.allclose(tables[0], tables[1], atol=1e-2)


@pytest.mark.slow
def test_two_devices_have_what_one_has(together):
    two = Training(SEEDS, make_mesh(1, jax.devices()[:2]))
    assert_close(two.trained(range(3)), together.trained(range(3)))


def test_each_member_is_spread_over_devices_as_a_lone_one():
    mesh, rows = make_mesh(2, jax.devices()[:4]), np.zeros((2, 8, 3))
    tree = {"embedding": {"table": np.zeros((2, 128, 4))}, "lr_scale": np.zeros(2)}
    members = Members(SEEDS)
    where = members.shardings(tree, mesh)
    assert where["embedding"]["table"].shard_shape((2, 128, 4)) == (2, 64, 4)
    assert where["lr_scale"].shard_shape((2,)) == (2,)
    assert members.by_rows(mesh).shard_shape(rows.shape) == (2, 4, 3)


@pytest.mark.slow
def test_one_that_has_stopped_stays_as_it_is_while_the_others_go_on(together):
    before, _ = together.trained(range(2))
    stopped = with_running(before, [True, False])
    after, all_go_on = (together.trained((2, 3), state)[0] for state in (stopped, before))
    jax.tree.map(np.testing.assert_array_equal, of_member(after, 1), of_member(stopped, 1))
    jax.tree.map(np.testing.assert_array_equal, of_member(after, 0), of_member(all_go_on, 0))
    assert after.counters.step.tolist() == [4, 2]


def test_an_update_that_is_not_finite_is_left_out_of_one_member_alone():
    trainer = Trainer(None, optax.identity(), lambda step: 0.5, 0.0, None)
    members = Members(SEEDS)
    state = members.seeded(lambda seed: trainer.initial_state({"w": jnp.ones(3)}))()

    def update(state, gradient):
        return trainer.update(state, {"w": gradient}, LossSums(jnp.ones(()), jnp.ones(()), 1))

    gradients = jnp.array([[1.0, 1.0, 1.0], [np.nan, 1.0, 1.0]])
    state, _ = members.mapped(update)(state, gradients)
    np.testing.assert_array_equal(state.params["w"], [[0.5] * 3, [1.0] * 3])
    assert state.counters.skipped.tolist() == [0, 1]
    assert state.counters.step.tolist() == [1, 1]


def test_one_seed_is_left_as_it_is():
    lone, tree = Members((7,)), {"w": np.arange(3)}
    assert lone.mapped(lone.same) == lone.same
    assert lone.seeded(lambda seed, x: (seed, x))("x") == (7, "x")
    assert lone.stacked([tree]) is tree and lone.unstacked(tree) == [tree]
    assert lone.member(tree, 0) is tree
    assert lone.record({0: {"loss": 2.0}}) == {"loss": 2.0}
    assert (lone.named(0), lone.file_name(500, 0)) == ("", "500")


def test_trees_are_stacked_taken_and_chosen():
    members = Members((3, 4, 5))
    trees = [{"w": np.arange(2) + 10 * k} for k in range(3)]
    stacked = members.stacked(trees)
    assert stacked["w"].tolist() == [[0, 1], [10, 11], [20, 21]]
    for k, tree in enumerate(trees):
        assert members.member(stacked, k)["w"].tolist() == tree["w"].tolist()
        assert members.unstacked(stacked)[k]["w"].tolist() == tree["w"].tolist()
    chosen = members.chosen([True, False, True], stacked, jax.tree.map(np.negative, stacked))
    assert chosen["w"].tolist() == [[0, 1], [-10, -11], [20, 21]]


def test_a_record_has_the_mean_and_each_seed_that_trains():
    record = Members((3, 4, 5)).record(
        {0: {"loss": 1.0, "skipped": 2}, 2: {"loss": 4.0, "skipped": 0}}
    )
    assert record == {
        "loss": 2.5,
        "skipped": 1.0,
        "loss/seed_3": 1.0,
        "loss/seed_5": 4.0,
        "skipped/seed_3": 2,
        "skipped/seed_5": 0,
    }
