"""An ensemble follows the contract, and its log-probabilities are those of the mean logits."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from nmt.models.build import merge_model
from nmt.models.ensemble import split_ensemble
from nmt.models.seq2seq import log_probs_from_features, logits_from_features

SOURCE = np.array([[4, 5, 3, 0], [6, 4, 7, 3]], np.int32)
MASK = SOURCE != 0
TARGET_IN = np.array([[2, 5, 4], [2, 8, 9]], np.int32)


class Said(NamedTuple):
    """What a model says of the pairs: (B, T, V), (B, T, S), (B, layers, N, T, S)."""

    logits: np.ndarray
    log_probs: np.ndarray
    alignment: np.ndarray | None
    heads: np.ndarray | None


@partial(jax.jit, static_argnums=0)
def forced(graph, params):
    model = merge_model(graph, params)
    features, alignment = model(SOURCE, MASK, TARGET_IN)
    projection = model.projection()
    logits = logits_from_features(features, projection)
    log_probs = log_probs_from_features(features, projection)
    return Said(logits, log_probs, alignment, model.align(SOURCE, MASK, TARGET_IN))


@partial(jax.jit, static_argnums=0)
def stepwise(graph, params):
    """Two hypotheses of which one has the wanted pieces; it goes on, in the place of both."""
    model = merge_model(graph, params)
    memory = model.encode(SOURCE, MASK)
    stepper = model.for_steps()
    state, found = stepper.init_state(memory, 2, 2).grow(3), []
    for t in range(TARGET_IN.shape[1]):
        wanted = t % 2
        pieces = [TARGET_IN[:, t], np.full(2, 6, np.int32)]
        pieces = np.stack(pieces[::-1] if wanted else pieces, axis=1)
        state, features, alignment = stepper.step(state, memory, pieces, jnp.int32(t))
        logits = logits_from_features(features[:, wanted], model.projection())
        found.append((logits, None if alignment is None else alignment[:, wanted]))
        state = state.reorder(np.full((2, 2), wanted))
    return jax.tree.map(lambda *steps: jnp.stack(steps, axis=1), *found)


@pytest.fixture(scope="module", params=["recurrent", "transformer", "without attention"])
def parts(request, tiny, recurrent_config, transformer_config, variant_configs):
    """The ensemble as (graph, params), and each of its members."""
    config = {
        "recurrent": recurrent_config,
        "transformer": transformer_config,
        "without attention": variant_configs["fixed_context_gru"],
    }[request.param]
    members = [tiny(config, "float32", seed) for seed in (0, 1)]
    ensemble = split_ensemble(members[0].graph, [member.params for member in members])
    return ensemble, [(member.graph, member.params) for member in members]


@pytest.fixture(scope="module")
def ensemble(parts):
    return forced(*parts[0])


@pytest.fixture(scope="module")
def members(parts):
    return [forced(*member) for member in parts[1]]


def test_log_probs_are_those_of_the_mean_logits(ensemble, members):
    size = (members[0].log_probs[0, 0] > -1e30).sum()
    logits = np.mean([member.logits[..., :size] for member in members], axis=0)
    expected = scipy.special.log_softmax(logits, axis=-1)
    np.testing.assert_allclose(ensemble.log_probs[..., :size], expected, atol=1e-5)
    assert (np.exp(ensemble.log_probs[..., size:]) == 0).all()


def test_alignments_are_the_mean_of_all(parts, ensemble, members):
    (ours, theirs) = (merge_model(*model).cross_attentions for model in (parts[0], parts[1][0]))
    assert ours == theirs
    for name in ("alignment", "heads"):
        of_members = [getattr(member, name) for member in members]
        if ours is None:
            assert getattr(ensemble, name) is None and of_members == [None, None]
        else:
            expected = np.mean(of_members, axis=0)
            np.testing.assert_allclose(getattr(ensemble, name), expected, atol=1e-6)


def test_steps_equal_the_forced_pass_whatever_hypotheses_go_on(parts, ensemble):
    logits, alignment = stepwise(*parts[0])
    np.testing.assert_allclose(logits, ensemble.logits, atol=1e-5)
    if alignment is not None:
        np.testing.assert_allclose(alignment, ensemble.alignment, atol=1e-5)
