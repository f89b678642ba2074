"""The training step: what it changes, what it skips, and that models learn by it."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nmt.config.schema import RecurrentConfig, TrainingConfig, TransformerConfig
from nmt.data.batching import Batch
from nmt.models.build import build_model, merge_model, split_model
from nmt.models.seq2seq import logits_from_features
from nmt.training.loss import LossSums
from nmt.training.optimizer import make_optimizer, make_schedule
from nmt.training.step import Trainer
from tests.training.train_step import keys_of, train_step

KEY = jax.random.key(0)
RATE = 0.5
PAD, BOS, EOS = 0, 2, 3
SIZE = 14  # special pieces and ten digits
TRANSFORMER = TransformerConfig(
    model_dim=32,
    feedforward_dim=64,
    num_heads=2,
    encoder_layers=1,
    decoder_layers=1,
    norm="pre",
    dropout=0.0,
)
FAMILIES = {
    "recurrent": RecurrentConfig(
        embedding_dim=16, encoder_dim=16, decoder_dim=32, alignment_dim=16, readout_dim=32
    ),
    "fixed_context": RecurrentConfig(
        embedding_dim=16, encoder_dim=32, decoder_dim=64, attention="none", readout_dim=32
    ),
    "transformer": TRANSFORMER,
    "dropping": replace(TRANSFORMER, dropout=0.2, attention_dropout=0.1),
}


def plain_trainer(
    graph, *, average_decay=None, optimizer=None, label_smoothing=0.1, clip_norm=None
):
    """Gradient descent, unless told otherwise: p' = p - rate * g."""
    return Trainer(
        graph=graph,
        optimizer=optimizer or optax.identity(),
        schedule=lambda step: RATE / (step + 1),
        label_smoothing=label_smoothing,
        average_decay=average_decay,
        clip_norm=clip_norm,
    )


def reversal_batch(seed, num_rows, *, min_length=1, max_length=5):
    """Digits and the same digits backwards: pieces 4 to 13."""
    rng = np.random.default_rng(seed)
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


def parts(family):
    """Graph and fresh parameters of a small model."""
    return split_model(build_model(FAMILIES[family], source_size=SIZE, target_size=SIZE))


@pytest.fixture(scope="module")
def graph_and_params():
    return parts("recurrent")


@pytest.fixture(scope="module")
def gradients(graph_and_params):
    """(params, batch) -> gradients, sums."""
    compiled = jax.jit(plain_trainer(graph_and_params[0]).gradients)
    return lambda params, batch: compiled(params, batch, keys_of(batch, KEY))


@pytest.fixture(scope="module")
def update(graph_and_params):
    """(state, gradients, sums) -> state, metrics."""
    return jax.jit(plain_trainer(graph_and_params[0], average_decay=0.9).update)


@pytest.fixture(scope="module")
def descend(gradients, update):
    """(state, batch) -> state, metrics: a training step, in two compiled parts."""
    return lambda state, batch: update(state, *gradients(state.params, batch))


@pytest.fixture
def state(graph_and_params):
    graph, params = graph_and_params
    return plain_trainer(graph, average_decay=0.9).initial_state(params)


def assert_equal(left, right):
    jax.tree.map(np.testing.assert_array_equal, left, right)


def assert_close(left, right, atol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), left, right)


def counted(state):
    return tuple(int(count) for count in state.counters)


def toy_trainer(**options):
    return plain_trainer(None, **options)


def toy_update(trainer, state, gradient, num_pieces=1, loss=1.0):
    sums = LossSums(jnp.float32(loss), jnp.float32(loss), jnp.int32(num_pieces))
    return trainer.update(state, {"w": jnp.asarray(gradient, jnp.float32)}, sums)


def test_initial_state(state, graph_and_params):
    assert counted(state) == (0, 0, 0, -1)
    assert_equal(state.average, state.params)
    assert float(state.lr_scale) == 1
    without = plain_trainer(graph_and_params[0]).initial_state(graph_and_params[1])
    assert without.average is None


def test_update_divides_by_the_pieces_and_follows_the_schedule():
    """p' = p - rate(step) * lr_scale * g / pieces; the norm is that of g / pieces."""
    trainer = toy_trainer()
    state = trainer.initial_state({"w": jnp.array([1.0, 2.0])})
    state, metrics = toy_update(trainer, state, [30.0, 40.0], num_pieces=10)
    np.testing.assert_allclose(state.params["w"], [1 - 0.5 * 3, 2 - 0.5 * 4])
    np.testing.assert_allclose(metrics.gradient_norm, 5.0, rtol=1e-6)
    assert metrics.sums.num_pieces == 10 and counted(state) == (1, 0, 0, -1)

    state = replace(state, lr_scale=jnp.float32(0.1))
    before = np.asarray(state.params["w"])
    state, _ = toy_update(trainer, state, [1.0, -1.0])
    np.testing.assert_allclose(state.params["w"], before - 0.25 * 0.1 * np.array([1, -1]))


def test_gradient_norm_is_measured_before_clipping():
    trainer = toy_trainer(clip_norm=0.1)
    state = trainer.initial_state({"w": jnp.zeros(2)})
    _, metrics = toy_update(trainer, state, [3.0, 4.0])
    np.testing.assert_allclose(metrics.gradient_norm, 5.0, rtol=1e-6)


@pytest.mark.parametrize("name", ["adam", "adadelta"])
def test_clipping_is_by_the_global_norm_and_comes_first(name):
    """A gradient too long by a factor of ten is like one of a tenth; a short one is untouched."""
    optimizer = make_optimizer(TrainingConfig(optimizer=name, epsilon=0.1))  # so that length counts
    direction, rng = {"w": np.zeros((2, 3)), "b": np.zeros(3)}, np.random.default_rng(0)
    direction = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), direction)
    norm = np.sqrt(sum((leaf**2).sum() for leaf in direction.values()))
    sums = LossSums(jnp.float32(1.0), jnp.float32(1.0), jnp.int32(10))

    def params_after(clip_norm, *lengths):
        """Of steps along means over ten pieces that have these norms."""
        trainer = toy_trainer(optimizer=optimizer, clip_norm=clip_norm)
        state = trainer.initial_state(jax.tree.map(jnp.zeros_like, direction))
        for length in lengths:
            summed = jax.tree.map(lambda leaf, f=10 * length / norm: f * leaf, direction)
            state, _ = trainer.update(state, summed, sums)
        return state.params

    assert_close(params_after(3.0, 30.0, 4.0), params_after(None, 3.0, 3.0), atol=1e-6)
    assert_close(params_after(3.0, 2.9, 1.0), params_after(None, 2.9, 1.0), atol=1e-6)
    assert (
        np.abs(params_after(None, 2.9, 1.0)["w"] - params_after(None, 3.0, 3.0)["w"]).max() > 0.01
    )


def test_gradient_norm_is_over_all_parameters(state, gradients, descend):
    batch = reversal_batch(0, 4)
    summed, sums = gradients(state.params, batch)
    squares = [np.sum(np.square(leaf, dtype=np.float64)) for leaf in jax.tree.leaves(summed)]
    _, metrics = descend(state, batch)
    expected = np.sqrt(sum(squares)) / int(sums.num_pieces)
    np.testing.assert_allclose(metrics.gradient_norm, expected, rtol=1e-5)


def test_gradient_is_the_slope_of_the_loss(state, gradients):
    """Central differences along a random direction, of the sum that the step reports."""
    batch, rng = reversal_batch(0, 4), np.random.default_rng(0)
    direction = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), state.params)
    moved = [
        gradients(jax.tree.map(lambda p, d, e=e: p + e * d, state.params, direction), batch)[1].loss
        for e in (1e-2, -1e-2)
    ]
    slope = sum(
        np.vdot(g, d)
        for g, d in zip(
            jax.tree.leaves(gradients(state.params, batch)[0]),
            jax.tree.leaves(direction),
            strict=True,
        )
    )
    np.testing.assert_allclose((moved[0] - moved[1]) / 2e-2, slope, rtol=1e-2)


@pytest.mark.parametrize("bad", ["gradient", "loss"])
def test_what_is_not_finite_is_skipped_and_counted(bad):
    optimizer = make_optimizer(TrainingConfig())  # Adam, which has a state to keep
    trainer = toy_trainer(optimizer=optimizer, average_decay=0.9, clip_norm=1.0)
    update = jax.jit(partial(toy_update, trainer))
    state, _ = update(trainer.initial_state({"w": jnp.array([1.0, 2.0])}), [1.0, 1.0])
    before = state
    for skipped, number in enumerate((np.nan, np.inf), start=1):
        gradient = [number, 1.0] if bad == "gradient" else [1.0, 1.0]
        loss = number if bad == "loss" else 1.0
        state, metrics = update(state, gradient, loss=loss)
        assert counted(state) == (1 + skipped, skipped, skipped, skipped)
        for name in ("params", "average", "opt_state", "lr_scale"):
            assert_equal(getattr(state, name), getattr(before, name))
        assert not np.isfinite(metrics.gradient_norm) or not np.isfinite(metrics.sums.loss)
    state, _ = update(state, [1.0, 1.0])
    assert counted(state) == (4, 2, 0, 2)  # the row ends; the last one stays on record
    assert (state.params["w"] != before.params["w"]).all()


def test_batch_without_a_target_is_skipped(state, descend):
    """No piece to divide by."""
    empty = reversal_batch(0, 4)._replace(target_mask=np.zeros((4, 6), bool))
    after, metrics = descend(state, empty)
    assert metrics.sums.num_pieces == 0 and counted(after) == (1, 1, 1, 0)
    assert_equal(after.params, state.params)


def test_filler_rows_do_not_change_the_update(state, descend):
    """Rows of one EOS whose targets are masked, whatever these are."""
    batch, junk = reversal_batch(0, 4), reversal_batch(1, 4)
    filler = junk._replace(
        source=np.where(np.arange(6) == 0, 3, 0) * np.ones((4, 1), np.int32),
        source_mask=np.arange(6) < np.ones((4, 1)),
        target_mask=np.zeros((4, 6), bool),
    )
    filled = jax.tree.map(lambda *parts: np.concatenate(parts), batch, filler)
    (expected, metrics), (ours, filled_metrics) = descend(state, batch), descend(state, filled)
    assert_close(ours.params, expected.params)
    assert_close(filled_metrics, metrics, atol=1e-4)


def test_accumulated_batches_equal_one_large_batch(state, gradients, update, descend):
    first, second = reversal_batch(0, 4), reversal_batch(1, 4)
    large = jax.tree.map(lambda *parts: np.concatenate(parts), first, second)
    parts = [gradients(state.params, batch) for batch in (first, second)]
    total = jax.tree.map(jnp.add, *parts)
    ours, metrics = update(state, *total)
    expected, large_metrics = descend(state, large)
    assert counted(ours) == (1, 0, 0, -1)
    assert int(metrics.sums.num_pieces) == int(large.target_mask.sum())
    assert_close(metrics, large_metrics, atol=1e-4)
    assert_close((ours.params, ours.average), (expected.params, expected.average))


def test_average_follows_its_formula():
    """a' = d a + (1 - d) p' with d = min(decay, (1 + step) / (10 + step))."""
    trainer = toy_trainer(average_decay=0.3)
    state = trainer.initial_state({"w": jnp.array([1.0])})
    average = 1.0
    for step in range(6):
        state, _ = toy_update(trainer, state, [(-1.0) ** step])
        decay = min(0.3, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * float(state.params["w"][0])
        np.testing.assert_allclose(state.average["w"], [average], rtol=1e-5)
    assert decay == 0.3  # the bound at the start has been left behind


def compiled_step(graph, config):
    trainer = Trainer(
        graph, make_optimizer(config), make_schedule(config), config.label_smoothing, None
    )
    return trainer, jax.jit(partial(train_step, trainer), donate_argnums=0)


def trained(params, num_steps, trainer, step, *, key=KEY):
    """Trains on a fresh batch in every step, and returns the last state."""
    state = trainer.initial_state(jax.tree.map(jnp.array, params))
    for number in range(num_steps):
        state, _ = step(state, reversal_batch(number, 64), jax.random.fold_in(key, number))
    return state


def test_two_runs_are_equal_to_the_bit():
    """Dropout included: its key is an argument."""
    graph, params = parts("dropping")
    compiled = compiled_step(graph, TrainingConfig(learning_rate=1e-2))
    first, again = (trained(params, 4, *compiled) for _ in range(2))
    assert_equal(first, again)
    other = trained(params, 4, *compiled, key=jax.random.key(1))
    table = "target_embedding"
    assert (first.params[table]["table"] != other.params[table]["table"]).any()


@pytest.mark.slow
@pytest.mark.parametrize("family", ["recurrent", "fixed_context", "transformer"])
def test_learns_to_reverse_digits(family):
    """Where each piece is the best one after the reference's, greedy search finds the reference."""
    graph, params = parts(family)
    config = TrainingConfig(num_steps=400, learning_rate=8e-3, schedule="cosine", warmup_steps=20)
    state = trained(params, config.num_steps, *compiled_step(graph, config))
    held_out = reversal_batch(10**6, 200, min_length=3)
    model = merge_model(graph, state.params)

    @jax.jit
    def best_pieces(batch):
        decoded = model(batch.source, batch.source_mask, batch.target_in)
        return logits_from_features(decoded.features, model.projection()).argmax(axis=-1)

    right = np.asarray(best_pieces(held_out)) == held_out.target_out
    exact = (right | ~held_out.target_mask).all(axis=1).mean()
    assert exact >= 0.95
