"""What follows from validations, of one member and of several."""

import math

import jax.numpy as jnp
import numpy as np

from nmt.config.schema import TrainingConfig
from nmt.training.judging import Progress, Standing, judge
from nmt.training.members import Members
from nmt.training.step import TrainState

ALONE, TWO = Members((3,)), Members((3, 4))


def state_of(weights, lr_scale, running):
    return TrainState({"w": jnp.array(weights)}, None, (), None, None, lr_scale, running)


def test_plateau_lowers_the_learning_rate_once_patience_is_over():
    training = TrainingConfig(schedule="plateau", plateau_patience=2, plateau_factor=0.5)
    state = state_of([0.0], jnp.ones(()), jnp.array(True))
    standing, scales = Standing((Progress(),)), []
    for step, score in enumerate((1.0, 0.5, 0.9, 0.8, 0.7, 2.0, 1.5), start=1):
        standing, state = judge(training, ALONE, standing, state, {0: score}, step)
        scales.append(float(state.lr_scale))
    assert scales == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert standing == Standing((Progress(validated=7, best_score=2.0, stale=1, plateau=1),))


def test_each_member_has_its_own_plateau_best_weights_and_end():
    training = TrainingConfig(
        num_seeds=2, patience=3, schedule="plateau", plateau_patience=1, plateau_factor=0.5
    )
    standing = Standing((Progress(),) * 2)
    lr_scale, running = jnp.ones(2), jnp.ones(2, bool)
    kept = []
    for step, scores in enumerate(((1.0, 1.0), (0.0, 2.0), (0.5, 1.5), (0.0, 3.0)), start=1):
        state = state_of([[1.0 * step], [-1.0 * step]], lr_scale, running)
        standing, state = judge(training, TWO, standing, state, dict(enumerate(scores)), step)
        lr_scale, running = state.lr_scale, state.running
        kept.append(standing.best["w"][:, 0].tolist())
    assert kept == [[1, -1], [1, -2], [1, -2], [1, -4]]
    assert lr_scale.tolist() == [0.125, 0.5]
    assert running.tolist() == standing.running(training) == [False, True]
    assert not standing.finished(training)

    state = state_of([[5.0], [-5.0]], lr_scale, running)
    standing, state = judge(training, TWO, standing, state, {1: 4.0}, 5)
    assert [progress.validated for progress in standing.members] == [4, 5]
    assert standing.best["w"][:, 0].tolist() == [1, -5]
    for step in (6, 7, 8):
        assert not standing.finished(training)
        standing, state = judge(training, TWO, standing, state, {1: 0.0}, step)
    assert standing.finished(training)


def test_one_that_has_stopped_stays_so_when_patience_grows():
    """The others have gone on without it."""
    standing = Standing((Progress(validated=2, stale=1), Progress(validated=4)))
    assert standing.running(TrainingConfig(patience=1)) == [False, True]
    assert standing.running(TrainingConfig(patience=9)) == [False, True]


def test_without_a_score_the_last_weights_are_the_best():
    training, standing = TrainingConfig(num_seeds=2), Standing((Progress(),) * 2)
    for step, scores in enumerate(((math.nan, 1.0), (math.nan, 0.5), (-2.0, 0.0)), start=1):
        state = state_of([[1.0 * step], [-1.0 * step]], jnp.ones(2), jnp.ones(2, bool))
        standing, _ = judge(training, TWO, standing, state, dict(enumerate(scores)), step)
        np.testing.assert_array_equal(standing.best["w"][:, 0], [step, -1])


def test_of_equal_scores_the_weights_of_the_earlier_one_are_kept():
    """As of equal checkpoints of a run of one seed the earlier one is the best."""
    training, standing, kept = TrainingConfig(num_seeds=2), Standing((Progress(),) * 2), []
    for step, scores in enumerate(((1.0, 2.0), (1.0, 3.0), (1.0, 3.0)), start=1):
        state = state_of([[1.0 * step], [-1.0 * step]], jnp.ones(2), jnp.ones(2, bool))
        standing, _ = judge(training, TWO, standing, state, dict(enumerate(scores)), step)
        kept.append(standing.best["w"][:, 0].tolist())
    assert kept == [[1, -1], [1, -2], [1, -2]]
