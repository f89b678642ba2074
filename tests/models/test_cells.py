"""Each cell against its equations in numpy; the scan against a loop."""

from functools import partial

import jax
import numpy as np
import pytest
from flax import nnx

from nmt.models.cells import CELLS, LSTMState, run, where_real

E, H = 4, 3
LENGTHS = [5, 3, 1]


@pytest.fixture(params=CELLS, scope="module")
def cell(request):
    """A cell whose parameters, biases too, are random."""
    cell = CELLS[request.param](E, H, precision="float32", rngs=nnx.Rngs(0))
    rng = np.random.default_rng(1)
    graph, params = nnx.split(cell)
    cell = nnx.merge(
        graph, jax.tree.map(lambda p: rng.normal(size=p.shape).astype(np.float32), params)
    )
    cell.name = request.param
    return cell


@pytest.fixture(scope="module")
def reference(cell, reference_cells):
    """x (E,), state -> state, in float64."""
    params = jax.tree.map(
        lambda p: np.asarray(p, np.float64), nnx.to_pure_dict(nnx.state(cell, nnx.Param))
    )
    return partial(reference_cells[cell.name], params)


@pytest.fixture(scope="module")
def inputs():
    """Three sentences, junk past their ends."""
    return np.random.default_rng(2).normal(size=(3, 5, E)).astype(np.float32)


def random_state(cell, shape, seed=3):
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), cell.initial_state(shape)
    )


def mask_of(lengths, size=5):
    return np.arange(size) < np.array(lengths)[:, None]


def rows(state):
    """The leaves of a state as numpy: h, or h and c."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    return leaves if len(leaves) > 1 else leaves[0]


def test_step_follows_the_equations(cell, reference, inputs):
    state = random_state(cell, (3,))
    moved = cell.step(state, cell.project(inputs[:, 0]))
    for b in range(3):
        old = jax.tree.map(lambda leaf, b=b: leaf[b].astype(np.float64), state)
        expected = reference(inputs[b, 0], old)
        ours = jax.tree.map(lambda leaf, b=b: leaf[b], moved)
        np.testing.assert_allclose(rows(ours), rows(expected), atol=1e-5)


def test_gates_are_projected_for_any_leading_axes(cell, inputs):
    projected = cell.project(inputs)
    assert projected.shape == (3, 5, cell.gates, H)
    np.testing.assert_allclose(projected[1, 2], cell.project(inputs[1, 2]), atol=1e-6)


def test_states(cell):
    zeros = cell.initial_state((2, 4))
    assert all(leaf.shape == (2, 4, H) and not leaf.any() for leaf in jax.tree.leaves(zeros))
    output = np.random.default_rng(0).normal(size=(2, 4, H)).astype(np.float32)
    begun = cell.state_from_output(output)
    np.testing.assert_array_equal(cell.output(begun), output)
    assert jax.tree.structure(begun) == jax.tree.structure(zeros)
    if cell.name == "lstm":
        assert isinstance(begun, LSTMState) and not begun.c.any()


@pytest.mark.parametrize("reverse", [False, True])
def test_run_follows_a_loop_over_real_positions(cell, reference, inputs, reverse):
    outputs, final = run(cell, inputs, mask_of(LENGTHS), reverse=reverse)
    assert outputs.shape == (3, 5, H)
    for b, length in enumerate(LENGTHS):
        state = np.zeros(H) if cell.name != "lstm" else (np.zeros(H), np.zeros(H))
        for t in reversed(range(length)) if reverse else range(length):
            state = reference(inputs[b, t], state)
            expected = state[0] if cell.name == "lstm" else state
            np.testing.assert_allclose(outputs[b, t], expected, atol=1e-5)
        np.testing.assert_allclose(final[b], expected, atol=1e-5)


def test_run_equals_steps_and_starts_where_told(cell, inputs):
    state = start = random_state(cell, (3,))
    outputs, final = run(cell, inputs, mask_of([5, 5, 5]), start)
    for t in range(5):
        state = cell.step(state, cell.project(inputs[:, t]))
        np.testing.assert_allclose(outputs[:, t], cell.output(state), atol=1e-5)
    np.testing.assert_allclose(final, cell.output(state), atol=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_padding_leaves_the_state(cell, inputs, reverse):
    """Also in the middle; and where a sentence has no real position, the state it began with."""
    mask = np.array([[1, 0, 1, 0, 0], [0, 1, 1, 1, 1], [0, 0, 0, 0, 0]], bool)
    start = random_state(cell, (3,))
    outputs, final = run(cell, inputs, mask, start, reverse=reverse)
    for b in range(3):
        state = jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], start)
        for t in reversed(range(5)) if reverse else range(5):
            if mask[b, t]:
                state = cell.step(state, cell.project(inputs[b : b + 1, t]))
            np.testing.assert_allclose(outputs[b, t], cell.output(state)[0], atol=1e-5)
    np.testing.assert_array_equal(final[2], cell.output(start)[2])


def test_where_real_chooses_whole_states():
    new, old = LSTMState(np.ones((2, H)), 2 * np.ones((2, H))), LSTMState(*np.zeros((2, 2, H)))
    chosen = where_real(np.array([True, False]), new, old)
    np.testing.assert_array_equal(chosen.h, [[1] * H, [0] * H])
    np.testing.assert_array_equal(chosen.c, [[2] * H, [0] * H])


def test_initial_parameters():
    """Orthogonal U, zero biases, but for the LSTM's forget gate, whose bias is 1."""
    for name, new_cell in CELLS.items():
        cell = new_cell(E, H, precision="float32", rngs=nnx.Rngs(0))
        for gate in range(cell.U.kernel.shape[1]):
            U = np.asarray(cell.U.kernel[...])[:, gate]
            np.testing.assert_allclose(U @ U.T, np.eye(H), atol=1e-5)
        bias = np.zeros((cell.gates, H))
        bias[1] = name == "lstm"
        np.testing.assert_array_equal(cell.W.bias[...], bias)
