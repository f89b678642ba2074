"""The scan against repeated steps, under padding, and what it keeps for the layer above."""

from functools import partial

import jax
import numpy as np
import pytest
from flax import nnx

from nmt.config.schema import RecurrentConfig
from nmt.models.cells import bottom_cell, run_both_ways, run_in_stack, upper_cell
from nmt.models.cells.clockwork import Clockwork, ClockworkState
from nmt.models.cells.depth_gated_lstm import DepthGatedLSTM
from nmt.models.cells.gru import GRUResetAfter
from nmt.models.cells.lstm import LSTM, LSTMState
from nmt.models.cells.scan import where_real

E, H, T = 4, 6, 5
MASK = np.array([[1, 0, 1, 0, 0], [0, 1, 1, 1, 1], [0, 0, 0, 0, 0]], bool)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def made(new_cell, input_dim=E, seed=3):
    """A cell with random parameters, peepholes too."""

    def make():
        return new_cell(input_dim, H, precision="float32", rngs=nnx.Rngs(0))

    graph, params = nnx.split(nnx.eval_shape(make))
    return nnx.merge(graph, jax.tree.map(lambda leaf: random(*leaf.shape, seed=seed), params))


@pytest.fixture(scope="module")
def clockwork():
    return made(partial(Clockwork, num_modules=3))


def test_padding_leaves_the_state(clockwork):
    """Also in the middle; and where a sentence has no real position, the state it began with."""
    cell, inputs = clockwork, random(3, T, E)
    start = cell.state_from_output(random(3, H, seed=1))
    seen, final = run_in_stack(cell, inputs, MASK, start)
    for b in range(3):
        state = jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], start)
        for t in range(T):
            if MASK[b, t]:
                state = cell.step(state, cell.project(inputs[b : b + 1, t]))
            np.testing.assert_allclose(seen.output[b, t], cell.output(state)[0], atol=1e-5)
    np.testing.assert_array_equal(final[2], cell.output(start)[2])


def test_where_real_chooses_whole_states():
    new, old = LSTMState(np.ones((2, H)), 2 * np.ones((2, H))), LSTMState(*np.zeros((2, 2, H)))
    chosen = where_real(np.array([True, False]), new, old)
    np.testing.assert_array_equal(chosen.h, [[1] * H, [0] * H])
    np.testing.assert_array_equal(chosen.c, [[2] * H, [0] * H])


def test_where_real_stops_the_clock():
    new = ClockworkState(np.ones((2, H)), np.array([[3], [4]]))
    chosen = where_real(np.array([True, False]), new, ClockworkState(0 * new.h, 0 * new.clock))
    np.testing.assert_array_equal(chosen.clock, [[3], [0]])


def test_gates_are_projected_for_any_leading_axes():
    cell, inputs = made(LSTM), random(3, T, E)
    projected = cell.project(inputs)
    assert projected.shape == (3, T, cell.gates, H)
    np.testing.assert_allclose(projected[1, 2], cell.project(inputs[1, 2]), atol=1e-6)


def test_a_module_of_the_clockwork_moves_when_it_is_due(clockwork):
    """Modules of 2 units and periods 1, 2, 4; what is not due keeps its bits."""
    seen, _ = run_in_stack(clockwork, random(1, 6, E), np.ones((1, 6), bool))
    of_modules = np.diff(np.asarray(seen.output[0]).reshape(6, 3, 2), axis=0).any(axis=-1)
    np.testing.assert_array_equal(of_modules[:, 0], [True] * 5)  # positions 1 to 5
    np.testing.assert_array_equal(of_modules[:, 1], [False, True, False, True, False])
    np.testing.assert_array_equal(of_modules[:, 2], [False, False, False, True, False])


def test_slow_modules_of_the_clockwork_never_see_fast_ones(clockwork):
    """One module is changed, and all are due: it and the faster ones come out different."""
    h = np.tile(random(H), (4, 1))
    for module in range(3):
        h[module, 2 * module : 2 * module + 2] += 1
    state, projected = (
        clockwork.state_from_output(h),
        clockwork.project(random(4, E, seed=2)[[0] * 4]),
    )
    moved = np.asarray(clockwork.step(state, projected).h).reshape(4, 3, 2)
    differs = (moved[:3] != moved[3]).any(axis=-1)
    np.testing.assert_array_equal(differs, np.tril(np.ones((3, 3), bool)))  # changed, seen in


@pytest.fixture(scope="module")
def depth_gated():
    """Two layers of such cells."""
    config = RecurrentConfig(cell="lstm_depth_gated", encoder_layers=2)
    return made(bottom_cell(config)), made(upper_cell(config), H)


def test_layers_above_one_another_are_their_steps(depth_gated):
    """Layer after layer over all positions is position after position through all layers."""
    (lower, upper), inputs = depth_gated, random(3, T, E)
    of_lower, _ = run_in_stack(lower, inputs, MASK, above=upper)
    below = of_lower.state
    ours, final = run_in_stack(upper, of_lower.output, MASK, below=below)
    assert ours.state is None
    states = [cell.initial_state((3,)) for cell in depth_gated]
    for t in range(T):
        moved = lower.step(states[0], lower.project(inputs[:, t]))
        states[0] = where_real(MASK[:, t], moved, states[0])
        moved = upper.step(states[1], upper.project(lower.output(states[0])), states[0])
        states[1] = where_real(MASK[:, t], moved, states[1])
        np.testing.assert_allclose(ours.output[:, t], states[1].h, atol=1e-5)
        np.testing.assert_allclose(below.c[:, t], states[0].c, atol=1e-5)
    np.testing.assert_allclose(final, states[1].h, atol=1e-5)


def test_a_scan_keeps_states_only_for_a_cell_that_reads_them(depth_gated):
    """One array of outputs, (T, B, H), but for the layer below a depth gate."""
    inputs, mask, lstm = random(3, T, E), np.ones((3, T), bool), made(LSTM)

    def kept(cell, above):
        traced = jax.make_jaxpr(lambda x: run_in_stack(cell, x, mask, above=above))(inputs)
        (scan,) = (e for e in traced.jaxpr.eqns if e.primitive.name == "scan")
        return [v.aval.shape for v in scan.outvars[scan.params["num_carry"] :]]

    lower, upper = depth_gated
    assert kept(lstm, None) == kept(lstm, lstm) == kept(lower, None) == [(T, 3, H)]
    assert kept(lower, upper) == [(T, 3, H)] * 3  # output; h and c


@pytest.mark.parametrize("kind", [LSTM, DepthGatedLSTM, partial(Clockwork, num_modules=3)])
@pytest.mark.parametrize("unroll", [1, 2])
def test_both_directions_at_once_are_each_alone(kind, unroll):
    """Outputs, states for the layer above, and gradients, where sentences differ in length."""
    pair = made(kind), made(kind, seed=4)
    graphs, params = zip(*map(nnx.split, pair), strict=True)
    inputs, above = random(3, T, E), made(DepthGatedLSTM)
    below = None, None
    if pair[0].reads_below:
        below = tuple(
            LSTMState(random(3, T, H, seed=s), random(3, T, H, seed=s + 1)) for s in (5, 7)
        )

    def at_once(cells):
        return run_both_ways(cells, inputs, MASK, below=below, above=above, unroll=unroll)

    def backwards(tree):
        return jax.tree.map(lambda leaf: leaf[:, ::-1], tree)

    def alone(cells):
        forwards = run_in_stack(cells[0], inputs, MASK, below=below[0], above=above)
        turned = backwards((inputs, MASK, below[1]))
        seen, final = run_in_stack(cells[1], *turned[:2], below=turned[2], above=above)
        return [forwards, (backwards(seen), final)]

    def with_gradient(run_cells):
        def loss(params):
            ran = run_cells(tuple(map(nnx.merge, graphs, params)))
            floats = [leaf for leaf in jax.tree.leaves(ran) if leaf.dtype == np.float32]
            return sum((leaf * random(*leaf.shape, seed=9)).sum() for leaf in floats), ran

        gradient, ran = jax.grad(loss, has_aux=True)(params)
        return ran, gradient

    ours, expected = with_gradient(at_once), with_gradient(alone)
    assert jax.tree.structure(ours) == jax.tree.structure(expected)
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5, rtol=1e-4), ours, expected)


def test_of_each_position_a_scan_keeps_the_state_and_products_alone():
    """For the way back. What it gives is kept besides; gates are made anew."""
    graph, params = nnx.split(made(GRUResetAfter))
    inputs, mask = random(3, T, E), np.ones((3, T), bool)

    def loss(params):
        return run_in_stack(nnx.merge(graph, params), inputs, mask)[0].output.sum()

    traced = jax.make_jaxpr(jax.grad(loss))(params)
    forwards, _ = (e for e in traced.jaxpr.eqns if e.primitive.name == "scan")
    kept = [v.aval.shape for v in forwards.outvars[forwards.params["num_carry"] :]]
    of_units = sorted(shape for shape in kept if shape != (T, 3))  # leaves out the mask
    assert of_units == [(T, 3, H), (T, 3, H), (T, 3, 3 * H)]  # output, state, U s
