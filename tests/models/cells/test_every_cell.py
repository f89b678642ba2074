"""Each cell against its equations in numpy: a step, a run over padded sentences, its gradient.

scripts/check_cells.py runs the first of these tests and shows the differences that it records.
"""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nmt.config.schema import RecurrentConfig
from nmt.models.cells import CELLS, run_in_stack, upper_cell
from nmt.models.cells.lstm import LSTMState

E, H, T = 4, 6, 5
LENGTHS = [5, 3, 1]
REAL = np.arange(T) < np.array(LENGTHS)[:, None]
WEIGHTS = np.random.default_rng(5).normal(size=(3, T, H)).astype(np.float32) * REAL[..., None]
TOLERANCE = 1e-5


def new_cell(name, precision="float32"):
    """With three modules, where it has any: of periods 1, 2 and 4."""
    config = RecurrentConfig(
        cell=name, clockwork_modules=3, encoder_dim=H, decoder_dim=H, decoder_layers=2
    )
    return upper_cell(config)(E, H, precision=precision, rngs=nnx.Rngs(0))


def random_like(tree, seed):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), tree)


@pytest.fixture(params=CELLS, scope="module")
def cell(request):
    """A cell whose parameters, biases too, are random."""
    graph, params = nnx.split(nnx.eval_shape(partial(new_cell, request.param)))
    cell = nnx.merge(graph, random_like(params, seed=1))
    cell.name = request.param
    return cell


@pytest.fixture(scope="module")
def reference(cell, reference_cells):
    """x (E,), state, below -> state, in float64."""
    return partial(reference_cells[cell.name], as_float64(pure_params(cell)))


@pytest.fixture(scope="module")
def inputs():
    """Three sentences, junk past their ends."""
    return np.random.default_rng(2).normal(size=(3, T, E)).astype(np.float32)


@pytest.fixture(scope="module")
def below(cell):
    """The states of the layer below at each position; None for a cell that reads none."""
    shape = LSTMState(*np.zeros((2, 3, T, H)))
    return random_like(shape, seed=4) if cell.reads_below else None


def pure_params(cell):
    return nnx.to_pure_dict(nnx.state(cell, nnx.Param))


def as_float64(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def random_state(cell, shape, seed=3):
    """A state on its way; what is counted stands at 4."""
    state = cell.initial_state(shape)
    counted = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.integer)  # noqa: E731
    return jax.tree.map(
        lambda leaf, other: leaf + 4 if counted(leaf) else other, state, random_like(state, seed)
    )


def at(tree, *index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


def largest_difference(ours, expected):
    """Of any number of two states."""
    pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(expected), strict=True)
    return max(float(np.abs(np.asarray(a) - b).max()) for a, b in pairs)


def shown(state):
    return state[0] if isinstance(state, tuple) else state


def expected_outputs(reference, cell, inputs, below):
    """Of every real position, by a loop: (B, T, H), NaN on padding; and each sentence's last."""
    outputs, lasts = np.full((3, T, H), np.nan), []
    for b, length in enumerate(LENGTHS):
        state = as_float64(cell.initial_state(()))
        for t in range(length):
            state = reference(inputs[b, t], state, as_float64(at(below, b, t)))
            outputs[b, t] = shown(state)
        lasts.append(shown(state))
    return outputs, np.array(lasts)


def test_step_follows_the_equations(cell, reference, inputs, below, record_property):
    state = random_state(cell, (3,))
    moved = cell.step(state, cell.project(inputs[:, 0]), at(below, slice(None), 0))
    differences = []
    for b in range(3):
        old = as_float64(at(state, b))
        expected = reference(inputs[b, 0], old, as_float64(at(below, b, 0)))
        differences.append(largest_difference(at(moved, b), expected))
    record_property("cell", cell.name)
    record_property("difference", max(differences))
    assert max(differences) <= TOLERANCE
    assert jax.tree.structure(moved) == jax.tree.structure(state)
    types = [[leaf.dtype for leaf in jax.tree.leaves(tree)] for tree in (state, moved)]
    assert types[0] == types[1]


def test_states(cell):
    zeros = cell.initial_state((2, 4))
    for leaf in jax.tree.leaves(zeros):
        assert leaf.shape[:-1] == (2, 4) and leaf.shape[-1] in (H, 1) and not leaf.any()
    output = np.random.default_rng(0).normal(size=(2, 4, H)).astype(np.float32)
    begun = cell.state_from_output(output)
    np.testing.assert_array_equal(cell.output(begun), output)
    assert jax.tree.structure(begun) == jax.tree.structure(zeros)
    hidden = [leaf for leaf in jax.tree.leaves(begun) if leaf is not cell.output(begun)]
    assert not any(leaf.any() for leaf in hidden)


@pytest.fixture(scope="module")
def ran(cell, inputs, below):
    """What the scan gives, and its gradient: one program for two tests."""
    graph, state = nnx.split(cell)

    @jax.jit
    def run_and_differentiate(params, inputs):
        def loss(params, inputs):
            ran = run_in_stack(nnx.merge(graph, params), inputs, REAL, below=below)
            return (ran[0].output * WEIGHTS).sum(), ran

        gradients, ran = jax.grad(loss, argnums=(0, 1), has_aux=True)(params, inputs)
        return *ran, gradients

    return run_and_differentiate(nnx.to_pure_dict(state), inputs)


def test_run_follows_a_loop_over_real_positions(ran, cell, reference, inputs, below):
    """The other direction is no matter of the cell: see test_scan.py."""
    of_positions, final, _ = ran
    expected, lasts = expected_outputs(reference, cell, inputs, below)
    assert of_positions.output.shape == (3, T, H) and of_positions.state is None
    np.testing.assert_allclose(of_positions.output[REAL], expected[REAL], atol=TOLERANCE)
    np.testing.assert_allclose(final, lasts, atol=TOLERANCE)


def test_gradient_is_that_of_the_equations_and_leaves_padding_alone(
    ran, cell, reference_cells, inputs, below
):
    """Along a random direction, against a central difference in float64."""
    *_, (of_params, of_inputs) = ran
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((of_params, of_inputs)))
    assert not np.asarray(of_inputs)[~REAL].any() and np.asarray(of_inputs)[REAL].any()

    params = as_float64(pure_params(cell))
    direction = as_float64(random_like(params, seed=6))

    def loss(step):
        moved = jax.tree.map(lambda p, d: p + step * d, params, direction)
        reference = partial(reference_cells[cell.name], moved)
        outputs, _ = expected_outputs(reference, cell, inputs, below)
        return (np.nan_to_num(outputs) * WEIGHTS).sum()

    slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
    products = jax.tree.map(
        lambda g, d: (np.asarray(g, np.float64) * d).sum(), of_params, direction
    )
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), slope, rtol=1e-3)


def test_bfloat16_multiplies_nothing_in_float32(cell, inputs, below):
    """What a step multiplies, forwards and backwards."""
    rounded = nnx.eval_shape(partial(new_cell, cell.name, "bfloat16"))
    graph, state = nnx.split(rounded)
    params = nnx.to_pure_dict(state)
    under = at(below, slice(None), 0)

    def loss(params, start):
        cell = nnx.merge(graph, params)
        return cell.output(cell.step(start, cell.project(inputs[:, 0]), under)).sum()

    text = jax.jit(jax.grad(loss)).lower(params, random_state(cell, (3,))).as_text()
    types = r"dot_general.*: \(tensor<\S*x(\w+)>, tensor<\S*x(\w+)>\) -> \S*x(\w+)>"
    assert set(re.findall(types, text)) == {("bf16", "bf16", "f32")}


def test_recurrent_matrices_are_orthogonal_at_first():
    """Of one gate or several, and of blocks that are not square; the ReLU's is the identity."""
    names = ("vanilla_relu", "gru_reset_before", "clockwork")
    fresh = jax.jit(lambda: {name: pure_params(new_cell(name))["U"] for name in names})()
    for U in jax.tree.leaves(fresh):
        for gate in np.moveaxis(np.asarray(U), 1, 0):
            np.testing.assert_allclose(gate.T @ gate, np.eye(gate.shape[1]), atol=1e-5)
    np.testing.assert_array_equal(fresh["vanilla_relu"]["kernel"][:, 0], np.eye(H))


def test_biases_and_peepholes_are_zero_at_first_but_for_the_gates_that_keep_the_memory(monkeypatch):
    for matrices in ("orthogonal", "glorot_uniform"):  # to compile them takes long
        monkeypatch.setattr(nnx.initializers, matrices, nnx.initializers.zeros_init)
    fresh = {name: pure_params(new_cell(name)) for name in CELLS}
    fresh["inner"] = fresh["lstm_nested"].pop("inner")
    keeping = {name: (1, 1.0) for name in fresh if "lstm" in name or name == "inner"}
    keeping["lstm_coupled"] = (0, -1.0)
    for name, params in fresh.items():
        bias = np.zeros_like(params["W"]["bias"])
        if name in keeping:
            gate, value = keeping[name]
            bias[gate] = value
        np.testing.assert_array_equal(params["W"]["bias"], bias)
        for peepholes in (params.get(name, np.zeros(1)) for name in ("peepholes", "P", "P_o")):
            assert not any(leaf.any() for leaf in jax.tree.leaves(peepholes))


def test_every_name_has_a_reference(reference_cells):
    assert list(reference_cells) == list(CELLS)
