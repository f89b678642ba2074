"""Gradient saliency against finite differences, one step and one number at a time."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.config.schema import RecurrentConfig, TransformerConfig
from nmt.decoding.saliency import saliency
from nmt.models.build import merge_model
from nmt.models.seq2seq import log_probs_from_features

SIZE, EOS = 9, 3
RECURRENT = RecurrentConfig(
    embedding_dim=3, encoder_dim=2, decoder_dim=3, alignment_dim=2, readout_dim=3
)
CONFIGS = {
    "gru": RECURRENT,
    "conditional lstm": replace(RECURRENT, cell="lstm", decoder_order="update_attend_update"),
    "transformer": TransformerConfig(
        model_dim=4, feedforward_dim=4, num_heads=2, encoder_layers=1, decoder_layers=2
    ),
}
SOURCE = np.array([[5, 6, 7, EOS], [4, EOS, 8, 8]])  # the second has two pieces and junk
MASK = np.array([[True] * 4, [True, True, False, False]])
TARGET_IN = np.array([[2, 5, 8], [2, 4, EOS]])
TARGET_OUT = np.array([[5, 8, EOS], [4, EOS, EOS]])
SHIFT = 1e-2


@pytest.fixture(scope="module", params=CONFIGS)
def model(request, random_model):
    return merge_model(*random_model(CONFIGS[request.param], SIZE))


def with_finite_differences(model):
    """(B, T, S): |d log p(y_i)| summed over all numbers that the memory keeps of a position."""
    projection, memory = model.projection(), model.encode(SOURCE, MASK)
    leaves, structure = jax.tree.flatten(memory)

    @jax.jit
    def step(leaves, state, piece, position, wanted):
        memory = jax.tree.unflatten(structure, leaves)
        state, features, _ = model.step(state, memory, piece[:, None], position)
        log_probs = log_probs_from_features(features[:, 0], projection)
        return state, log_probs[jnp.arange(len(wanted)), wanted]

    rows, state = [], model.init_state(memory, 1, 3)
    for t in range(3):
        now = TARGET_IN[:, t], np.int32(t), TARGET_OUT[:, t]
        sizes = np.zeros(SOURCE.shape)
        for k, leaf in enumerate(leaves):
            if leaf.ndim < 3:  # (B, ..., S, d) is kept of positions
                continue
            for place in np.ndindex(leaf.shape[1:]):  # both sentences at once
                moved = [
                    step(
                        [*leaves[:k], leaf.at[:, *place].add(shift), *leaves[k + 1 :]], state, *now
                    )[1]
                    for shift in (SHIFT, -SHIFT)
                ]
                sizes[:, place[-2]] += np.abs(moved[0] - moved[1])
        rows.append(sizes / sizes.sum(axis=1, keepdims=True))
        state, _ = step(leaves, state, *now)
    return np.stack(rows, axis=1)


def test_rows_are_the_sizes_of_the_gradient(model):
    found = jax.jit(partial(saliency, model))(SOURCE, MASK, TARGET_IN, TARGET_OUT)
    np.testing.assert_allclose(found, with_finite_differences(model), atol=2e-3)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    assert not np.asarray(found)[1, :, 2:].any()


def test_a_row_says_as_much_where_the_model_is_sure(random_model):
    """There the gradient of log p is exactly zero in float32, and that of the log-odds is not."""
    graph, params = random_model(CONFIGS["gru"], SIZE)
    bias = params["output"]["bias"]
    rows = {}
    for name, extra in (("unsure", 0.0), ("sure", 60.0)):
        sure = params | {"output": params["output"] | {"bias": bias.at[5].add(extra)}}
        pieces = np.full((2, 3), 5)
        find = jax.jit(partial(saliency, merge_model(graph, sure)))
        rows[name] = np.asarray(find(SOURCE, MASK, TARGET_IN, pieces))
    np.testing.assert_allclose(rows["sure"], rows["unsure"], rtol=1e-3)
