"""Stacks of every cell: stepped and forced decoders, encoders against numpy.

scripts/check_cells.py runs the first test and shows the differences that it records.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nmt.config.schema import RecurrentConfig
from nmt.models.build import merge_model
from nmt.models.cells import CELLS
from nmt.models.recurrent import RecurrentSeq2Seq
from nmt.models.recurrent_encoder import Encoder
from nmt.models.stacks import Joint

B, S, T = 2, 5, 4
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def config_of(recurrent_config):
    """The config of a stack of a cell; half of the cells have joints, and read s_{i-1} out.

    Depth gates stand above a bottom layer of two cells, and above one another.
    """

    def make(cell):
        joined, gated = list(CELLS).index(cell) % 2 == 0, cell == "lstm_depth_gated"
        return replace(
            recurrent_config,
            cell=cell,
            clockwork_modules=2,
            encoder_dim=4,
            decoder_dim=6,
            bidirectional=False,
            decoder_layers=3 if gated else 2,
            decoder_order="update_attend_update" if gated else "attend_update",
            residual=joined,
            layer_norm=joined,
            readout_state="previous" if joined else "current",
        )

    return make


def random_memory(model, mask):
    """What an encoder might have left, which compiles in no time."""
    rng = np.random.default_rng(1)
    memory = jax.eval_shape(model.encode, np.zeros(mask.shape, int), mask)
    memory = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), memory)
    return memory._replace(source_mask=mask)


@pytest.mark.parametrize("cell", CELLS)
def test_steps_equal_the_forced_pass(cell, tiny, config_of, record_property, monkeypatch):
    """Of the decoder. How hypotheses go on from one another is tested in test_build.py."""
    tiny_model, mask = tiny(config_of(cell)), np.arange(S) < np.array([[S], [2]])
    memory = random_memory(tiny_model.model, mask)
    monkeypatch.setattr(RecurrentSeq2Seq, "encode", lambda *_, dropout_keys: memory)
    target_in = np.random.default_rng(0).integers(tiny_model.target_size, size=(B, T))

    @jax.jit
    def stepped_and_forced(params):
        model = merge_model(tiny_model.graph, params)

        def step(state, piece):
            state, *decoded = model.step(state, memory, piece[:, None], position=None)
            return state, decoded

        _, stepped = jax.lax.scan(step, model.init_state(memory, 1, T), target_in.T)
        return stepped, model(mask, mask, target_in)

    stepped, forced = stepped_and_forced(tiny_model.params)
    differences = [
        float(np.abs(np.asarray(ours)[:, :, 0].swapaxes(0, 1) - expected).max())
        for ours, expected in zip(stepped, forced, strict=True)
    ]
    record_property("cell", cell)
    record_property("difference", max(differences))
    assert max(differences) <= TOLERANCE
    np.testing.assert_allclose(np.sum(forced.alignment, axis=-1), 1, atol=TOLERANCE)


def test_joint_is_a_residual_connection_around_a_layer_norm(recurrent_config):
    config = replace(recurrent_config, encoder_layers=2, residual=True, layer_norm=True)
    joint, rng = Joint(config, 6, rngs=nnx.Rngs(0)), np.random.default_rng(0)
    x, output = rng.normal(size=(2, 2, 3, 6))
    joint.norm.scale[...], joint.norm.bias[...] = scale, bias = rng.normal(size=(2, 6))
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    expected = scale * centred / deviation + bias
    np.testing.assert_allclose(joint.before(x), expected, atol=1e-5)
    np.testing.assert_allclose(joint.after(x, output), x + output, atol=1e-6)
    plain = Joint(recurrent_config, 6, rngs=nnx.Rngs(0))
    assert plain.before(x) is x and plain.after(x, output) is output
    assert not jax.tree.leaves(nnx.state(plain))


def test_a_stack_of_joined_layers_follows_numpy(tiny, config_of, reference_cells):
    """Two directions; each looks at the layer below in its own, and finals are those of the sum."""
    stack = dict(encoder_layers=2, bidirectional=True)
    config = replace(config_of("lstm_depth_gated"), **stack)
    tiny_model = tiny(config)
    params = tiny_model.params["encoder"]
    encode = jax.jit(lambda p, *a: merge_model(tiny_model.graph, p).encoder(*a, dropout_keys=None))
    embedded = np.random.default_rng(0).normal(size=(1, S, config.embedding_dim))
    length = 3
    annotations, finals = encode(tiny_model.params, embedded, np.arange(S)[None] < length)

    def read(cell, layer, inputs, below):
        states, state = [], (np.zeros(config.encoder_dim),) * 2
        for x, under in zip(inputs, below, strict=True):
            state = reference_cells[cell](layer, x, state, under)
            states.append(state)
        return states

    nothing = [None] * length
    h = embedded[0, :length]
    forward = read("lstm_peephole", params["forward"]["0"], h, nothing)
    backward = read("lstm_peephole", params["backward"]["0"], h[::-1], nothing)[::-1]
    h = np.array([np.concatenate([f[0], b[0]]) for f, b in zip(forward, backward, strict=True)])
    norm = params["joints"]["0"]["norm"]
    centred = h - h.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    x = norm["scale"] * centred / deviation + norm["bias"]
    forward = read("lstm_depth_gated", params["forward"]["1"], x, forward)
    backward = read("lstm_depth_gated", params["backward"]["1"], x[::-1], backward[::-1])[::-1]
    h += np.array([np.concatenate([f[0], b[0]]) for f, b in zip(forward, backward, strict=True)])
    np.testing.assert_allclose(annotations[0, :length], h, atol=1e-5)
    np.testing.assert_allclose(finals[0][0], h[-1, : config.encoder_dim], atol=1e-5)
    np.testing.assert_allclose(finals[1][0], h[0, config.encoder_dim :], atol=1e-5)


def test_the_encoder_keeps_no_states_that_nobody_reads(config_of):
    """Of a top layer, or of cells without depth gates: one output a position."""

    def kept(cell):
        config = replace(config_of(cell), encoder_layers=2, bidirectional=True)
        make = lambda: Encoder(config, precision="float32", rngs=nnx.Rngs(0))  # noqa: E731
        graph, params = nnx.split(nnx.eval_shape(make))
        inputs = jnp.zeros((B, S, config.embedding_dim)), jnp.ones((B, S), bool)
        traced = jax.make_jaxpr(lambda params: nnx.merge(graph, params)(*inputs, None))(params)
        scans = [e for e in traced.jaxpr.eqns if e.primitive.name == "scan"]
        return [len(e.outvars) - e.params["num_carry"] for e in scans]

    assert kept("lstm") == kept("clockwork") == [1, 1]  # of both directions, a scan a layer
    assert kept("lstm_depth_gated") == [3, 1]  # output, h, c


def test_every_cell_is_a_choice_of_the_config():
    choices = RecurrentConfig.__dataclass_fields__["cell"].type
    assert list(choices.__args__) == list(CELLS)
