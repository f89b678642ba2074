"""The loss of guided alignment: against a loop, in the step, and that alignments follow it."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nmt.config.schema import RecurrentConfig, TransformerConfig
from nmt.data.batching import Batch
from nmt.models.build import build_model, merge_model, split_model
from nmt.training.guided_alignment import alignment_loss
from nmt.training.loss import cross_entropy
from nmt.training.step import Trainer
from tests.training.train_step import train_step

SIZE = 12
KEY = jax.random.key(0)
RECURRENT = RecurrentConfig(
    embedding_dim=8, encoder_dim=8, decoder_dim=16, alignment_dim=8, readout_dim=8
)
TRANSFORMER = TransformerConfig(
    model_dim=16, feedforward_dim=16, num_heads=2, encoder_layers=1, decoder_layers=1, dropout=0.0
)
MODELS = {
    "attend_update": RECURRENT,
    "update_attend_update": replace(
        RECURRENT, decoder_order="update_attend_update", decoder_layers=2
    ),
    "one_head": replace(
        TRANSFORMER, decoder_layers=2, norm="pre", alignment_layer=0, alignment_head=1
    ),
    "mean_of_heads": TRANSFORMER,
}


def random_alignment(rng, *shape):
    energies = rng.normal(size=shape)
    return np.exp(energies) / np.exp(energies).sum(axis=-1, keepdims=True)


def test_the_loss_is_the_cross_entropy_with_the_links_of_each_piece():
    rng = np.random.default_rng(0)
    alignment = random_alignment(rng, 3, 5, 4)
    links = rng.random((3, 5, 4)) < 0.3
    links[1, 2] = [True, True, False, True]
    links[0] = False  # a pair without links
    loss, num_pieces = 0.0, 0
    for b, t in np.ndindex(3, 5):
        linked = [s for s in range(4) if links[b, t, s]]
        if linked:
            num_pieces += 1
            loss -= sum(np.log(alignment[b, t, s]) for s in linked) / len(linked)
    sums = alignment_loss(jnp.asarray(alignment), jnp.asarray(links))
    assert int(sums.num_pieces) == num_pieces > 0
    np.testing.assert_allclose(sums.loss, loss, rtol=1e-5)


def test_pieces_without_links_have_no_gradient_and_zeros_are_harmless():
    rng = np.random.default_rng(1)
    alignment = random_alignment(rng, 1, 3, 4)
    alignment[0, 0] = [0, 1, 0, 0]
    links = np.zeros((1, 3, 4), bool)
    links[0, 0, 0] = links[0, 1, 2] = True  # the first of them where the alignment is zero
    gradient = jax.grad(lambda a: alignment_loss(a, jnp.asarray(links)).loss)(
        jnp.asarray(alignment)
    )
    assert np.isfinite(gradient).all()
    assert (np.asarray(gradient)[~links] == 0).all()
    np.testing.assert_allclose(gradient[0, 1, 2], -1 / alignment[0, 1, 2], rtol=1e-5)


def test_a_link_far_from_the_alignment_has_the_whole_gradient():
    """-log alpha falls by 1 / alpha, however little the linked piece is looked at."""
    alignment = np.array([[[1e-5, 1 - 1e-5], [1e-7, 1 - 1e-7]]])
    links = np.array([[[True, False], [True, False]]])
    gradient = jax.grad(lambda a: alignment_loss(a, links).loss)(jnp.asarray(alignment))
    np.testing.assert_allclose(gradient[..., 0], -1 / alignment[..., 0], rtol=1e-5)


def linked_batch(seed, rows=8, length=5):
    """Random pieces; the links of each target piece are drawn too, for half of the pairs."""
    rng = np.random.default_rng(seed)
    source = rng.integers(4, SIZE, size=(rows, length)).astype(np.int32)
    target = rng.integers(4, SIZE, size=(rows, length)).astype(np.int32)
    source[:, -1] = target[:, -1] = 3
    target_in = np.concatenate([np.full((rows, 1), 2, np.int32), target[:, :-1]], axis=1)
    links = np.zeros((rows, length, length), bool)
    chosen = rng.integers(length - 1, size=(rows, length - 1))
    np.put_along_axis(links[:, :-1], chosen[:, :, None], True, axis=2)
    links[rows // 2 :] = False
    mask = np.ones((rows, length), bool)
    return Batch(source, mask, target_in, target, mask, links)


def trainer_of(name, weight, optimizer=None):
    model = build_model(MODELS[name], source_size=SIZE, target_size=SIZE)
    graph, params = split_model(model)
    trainer = Trainer(
        graph=graph,
        optimizer=optimizer or optax.identity(),
        schedule=lambda step: 0.1,
        label_smoothing=0.1,
        average_decay=None,
        alignment_weight=weight,
    )
    return trainer, params


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_is_that_of_both_losses(name):
    trainer, params = trainer_of(name, 0.3)
    batch = linked_batch(0)

    def total(params):
        model = merge_model(trainer.graph, params)
        decoded = model(batch.source, batch.source_mask, batch.target_in)
        sums = cross_entropy(
            decoded.features, model.projection(), batch.target_out, batch.target_mask, 0.1
        )
        chosen = np.argmax(batch.links, axis=-1)
        picked = jnp.take_along_axis(decoded.alignment, chosen[:, :, None], axis=2)[:, :, 0]
        return sums.loss - 0.3 * (jnp.log(picked) * batch.links.any(axis=-1)).sum()

    expected = jax.jit(jax.grad(total))(params)
    gradients, sums = jax.jit(trainer.gradients)(params, batch, None)
    for ours, theirs in zip(jax.tree.leaves(gradients), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert int(sums.alignment.num_pieces) == batch.links.any(axis=-1).sum()


def test_without_weight_links_change_nothing():
    trainer, params = trainer_of("attend_update", 0.0)
    batch = linked_batch(0)
    gradients = jax.jit(trainer.gradients)
    with_links, sums = gradients(params, batch, None)
    without, _ = gradients(params, batch._replace(links=None), None)
    assert sums.alignment is None
    jax.tree.map(np.testing.assert_array_equal, with_links, without)


def test_accumulated_batches_give_the_step_of_one_large_batch():
    trainer, params = trainer_of("one_head", 0.3)
    parts = [linked_batch(seed) for seed in (0, 1)]
    whole = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    gradients = jax.jit(trainer.gradients)
    total = jax.tree.map(jnp.add, *(gradients(params, part, None) for part in parts))
    state = trainer.initial_state(params)
    accumulated, _ = trainer.update(state, *total)
    at_once, _ = jax.jit(partial(train_step, trainer))(state, whole, KEY)
    for ours, theirs in zip(
        jax.tree.leaves(accumulated.params), jax.tree.leaves(at_once.params), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(
        accumulated.sums.alignment.loss, at_once.sums.alignment.loss, rtol=1e-5
    )


@pytest.mark.parametrize("name", MODELS)
def test_alignments_learn_to_follow_the_links(name):
    """Nothing but the links says where to look: target pieces are random."""
    trainer, params = trainer_of(name, 1.0, optax.scale_by_adam())
    batch = linked_batch(3)
    step = jax.jit(lambda state: train_step(replace_rate(trainer), state, batch, KEY))
    state = trainer.initial_state(params)
    first = None
    for _ in range(150):
        state, metrics = step(state)
        first = metrics.sums.alignment.loss if first is None else first
    assert metrics.sums.alignment.loss < 0.5 * first


def replace_rate(trainer):
    return trainer._replace(schedule=lambda step: 0.02)


def test_a_guided_state_can_be_zeroed_and_keeps_its_form():
    from nmt.training.step import with_zero_sums

    trainer, params = trainer_of("one_head", 0.5)
    step = jax.jit(partial(train_step, trainer))
    state, _ = step(trainer.initial_state(params), linked_batch(0), KEY)
    zeroed = with_zero_sums(state)
    assert jax.tree.structure(zeroed) == jax.tree.structure(state)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(zeroed.sums))
