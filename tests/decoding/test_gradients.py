"""Gradients by distance against backpropagation through time by hand, and against jax.grad."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.config.schema import RecurrentConfig
from nmt.decoding.gradients import annotation_gradients, decoder_gradients, encoder_gradients
from nmt.models.build import merge_model
from nmt.models.seq2seq import log_probs_from_features

SIZE, EOS = 9, 3
VANILLA = RecurrentConfig(
    cell="vanilla_tanh",
    attention="none",
    fixed_context="initial_state",
    bidirectional=False,
    embedding_dim=3,
    encoder_dim=4,
    decoder_dim=5,
    readout_dim=3,
    alignment_dim=3,
)
ATTENTION = replace(VANILLA, cell="lstm", attention="additive")
SOURCE = np.array([[5, 6, 7, EOS], [4, EOS, 8, 8]])  # the second has two pieces and junk
MASK = np.array([[True] * 4, [True, True, False, False]])
TARGET_IN = np.array([[2, 5, 8], [2, 4, 7]])
TARGET_OUT = np.array([[5, 8, EOS], [4, 7, EOS]])
BATCH = SOURCE, MASK, TARGET_IN, TARGET_OUT


@pytest.fixture(scope="module")
def vanilla(random_model):
    graph, params = random_model(VANILLA, SIZE)
    return graph, jax.tree.map(lambda leaf: 0.5 * leaf, params)


@pytest.fixture(scope="module")
def attentive(random_model):
    graph, params = random_model(ATTENTION, SIZE)
    return graph, jax.tree.map(lambda leaf: 0.5 * leaf, params)


def by_hand(params, source, target_in, target_out):
    """Backpropagation through time of one sentence: norms (T, T) and (T, S).

    h_j = tanh(W x_j + b + U h_{j-1}), s_0 = tanh(W_s h_S + b_s), s_t = tanh(W' y_{t-1} + b' + U'
    s_{t-1}), the features are tanh(U_o s_t + b_o + V_o y_{t-1}), and their softmax is the loss's.
    """
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    encoder, decoder = p["encoder"]["forward"]["0"], p["bottom"]["cell"]
    flat = lambda leaf: leaf.reshape(-1, leaf.shape[-1])  # noqa: E731  (I, 1, H) -> (I, H)
    read = {
        name: (flat(cell["W"]["kernel"]), cell["W"]["bias"][0], flat(cell["U"]["kernel"]))
        for name, cell in (("encoder", encoder), ("decoder", decoder))
    }

    def run(name, state, inputs):
        W, b, U = read[name]
        states = [state]
        for x in inputs:
            states.append(np.tanh(x @ W + b + states[-1] @ U))
        return states

    h = run("encoder", np.zeros(4), p["source_embedding"]["table"][source])
    W_s, b_s = p["start"]["0"]["kernel"], p["start"]["0"]["bias"]
    y = p["target_embedding"]["table"][target_in]
    s = run("decoder", np.tanh(h[-1] @ W_s + b_s), y)
    readout, output = p["readout"], p["output"]
    decoder_norms = np.zeros((len(y), len(y)))
    encoder_norms = np.zeros((len(y), len(source)))
    for t, wanted in enumerate(target_out):
        features = np.tanh(
            s[t + 1] @ readout["U_o"]["kernel"]
            + readout["U_o"]["bias"]
            + y[t] @ readout["V_o"]["kernel"]
        )
        logits = features @ output["kernel"][:SIZE].T + output["bias"][:SIZE]
        error = np.exp(logits - logits.max())
        error /= error.sum()
        error[wanted] -= 1
        error = (error @ output["kernel"][:SIZE]) * (1 - features**2)
        of_state = error @ readout["U_o"]["kernel"].T  # d loss_t / d s_t
        for i in range(t, -1, -1):
            of_state = (of_state * (1 - s[i + 1] ** 2)) @ read["decoder"][2].T
            decoder_norms[t, i] = np.linalg.norm(of_state)
        of_state = (of_state * (1 - s[0] ** 2)) @ W_s.T
        for j in range(len(source) - 1, -1, -1):
            encoder_norms[t, j] = np.linalg.norm(of_state)
            of_state = (of_state * (1 - h[j + 1] ** 2)) @ read["encoder"][2].T
    return decoder_norms, encoder_norms


def test_the_vanilla_cell_is_backpropagated_as_by_hand(vanilla):
    graph, params = vanilla
    of_decoder = np.asarray(decoder_gradients(graph, params, *BATCH))
    of_encoder = np.asarray(encoder_gradients(graph, params, *BATCH))
    for b, length in enumerate(MASK.sum(axis=1)):
        expected = by_hand(params, SOURCE[b, :length], TARGET_IN[b], TARGET_OUT[b])
        np.testing.assert_allclose(of_decoder[b], expected[0], rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(of_encoder[b, :, :length], expected[1], rtol=1e-4, atol=1e-7)
        assert not of_encoder[b, :, length:].any()  # padding
    assert not np.asarray(annotation_gradients(graph, params, *BATCH)).any()  # nobody looks


def test_the_way_through_attention_is_that_of_annotations_that_were_made_already(attentive):
    """The memory is held but for the annotations, and the keys that are made of them."""
    graph, params = attentive
    model = merge_model(graph, params)
    memory, projection = model.encode(SOURCE, MASK), model.projection()

    def losses(annotations):
        keys = model.attention.keys(annotations)
        seen = memory._replace(annotations=annotations, keys=keys)
        state, rows = model.init_state(seen, 1, 3), []
        for t in range(3):
            state, features, _ = model.step(state, seen, TARGET_IN[:, [t]], np.int32(t))
            log_probs = log_probs_from_features(features[:, 0], projection)
            rows.append(-log_probs[jnp.arange(2), TARGET_OUT[:, t]])
        return jnp.stack(rows, axis=1).sum(axis=0)  # of the sentences, which are independent

    jacobian = jax.jit(jax.jacrev(losses))(memory.annotations)  # T B S M
    expected = np.linalg.norm(jacobian, axis=-1).swapaxes(0, 1)
    found = np.asarray(annotation_gradients(graph, params, *BATCH))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert not found[1, :, 2:].any() and (found[1, :, :2] > 0).all()

    other = [leaf[::-1].copy() for leaf in BATCH]
    other[0][0, 2:] = 6  # other junk
    again = np.asarray(annotation_gradients(graph, params, *other))[::-1]
    np.testing.assert_allclose(again, found, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("attention", ["none", "additive"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_state_is_all_leaves_of_all_layers_and_counts_by_every_way(
    random_model, bidirectional, attention
):
    """A state of the lower layer moves the upper ones, of both directions, at its own position."""
    config = replace(
        VANILLA,
        cell="lstm",
        encoder_layers=2,
        bidirectional=bidirectional,
        attention=attention,
        fixed_context="every_step" if bidirectional else "initial_state",
    )
    graph, params = random_model(config, SIZE)
    params, j = jax.tree.map(lambda leaf: 0.5 * leaf, params), 1
    model = merge_model(graph, params)
    encoder = model.encoder
    embedded = model.source_embedding(SOURCE[:1])[0]  # S E
    memory, projection = model.encode(SOURCE[:1], MASK[:1]), model.projection()
    start = [cell.initial_state(()) for cell in encoder.forward]

    def outputs_of(cell, inputs, shift=None):
        state, outputs = cell.initial_state(()), []
        for position, read in enumerate(inputs):
            state = cell.step(state, cell.project(read))
            if shift is not None and position == j:
                state = jax.tree.map(jnp.add, state, shift)
            outputs.append(cell.output(state))
        return outputs

    def losses(shifts):
        inputs = list(embedded)
        for layer, shift in enumerate(shifts):
            directions = [outputs_of(encoder.forward[layer], inputs, shift)]
            if bidirectional:
                directions.append(outputs_of(encoder.backward[layer], inputs[::-1])[::-1])
            inputs = [jnp.concatenate(both) for both in zip(*directions, strict=True)]
        ends = [directions[0][-1], *(outputs[0] for outputs in directions[1:])]
        if attention == "none":
            seen = memory._replace(start=ends[-1][None], context=jnp.concatenate(ends)[None])
        else:
            annotations = jnp.stack(inputs)[None]
            seen = memory._replace(
                start=ends[-1][None],
                annotations=annotations,
                keys=model.attention.keys(annotations),
            )
        state = model.init_state(seen, 1, 1)
        _, features, _ = model.step(state, seen, TARGET_IN[:1, :1], np.zeros((1, 1), int))
        return -log_probs_from_features(features[0, 0], projection)[TARGET_OUT[0, 0]]

    gradients = jax.jit(jax.grad(losses))(start)  # zeros
    expected = np.linalg.norm(np.concatenate(jax.tree.leaves(gradients)))
    found = np.asarray(encoder_gradients(graph, params, *BATCH))[0, 0, j]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
