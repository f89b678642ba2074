"""What every architecture promises through the contract of `nmt.models.seq2seq`."""

import re
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from flax import nnx

from nmt.models import by_eigen
from nmt.models.build import (
    build_model,
    count_parameters,
    merge_model,
    split_model,
)
from nmt.models.by_eigen import COLUMNS
from nmt.models.seq2seq import choose_alignment, log_probs_from_features

B, S, K, T, BOS = 2, 5, 3, 4, 2
ROWS = B * K * T  # every forced pass has as many rows, so that each model compiles it once


def random_batch(tiny_model, seed=0):
    """ROWS sentences of 1 to S pieces, junk under the padding, and ROWS targets."""
    rng = np.random.default_rng(seed)
    source = rng.integers(tiny_model.source_size, size=(ROWS, S))
    lengths = rng.integers(1, S + 1, size=(ROWS, 1))
    target_in = rng.integers(tiny_model.target_size, size=(ROWS, T))
    target_in[:, 0] = BOS
    return source, np.arange(S) < lengths, target_in


def assert_close(ours, expected, tolerance):
    """Compares two Decoded; both or neither have an alignment."""
    assert (ours.alignment is None) == (expected.alignment is None)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), ours, expected)


def assert_steps_equal_the_forced_pass(model, room):
    """K hypotheses that part and are reordered; with little room at first, the state grows."""
    source, mask, _ = random_batch(model)
    source, mask = source[:B], mask[:B]
    rng = np.random.default_rng(1)
    memory, state = model.start(source, mask, K, room)
    piece, histories = np.full((B, K), BOS), np.zeros((B, K, 0), int)
    stepped, prefixes = [], []
    for t in range(T):
        if t == room:
            state = state.grow(T)
        histories = np.concatenate([histories, piece[..., None]], axis=-1)
        state, *decoded = model.step(state, memory, piece, np.int32(t))
        stepped.append(decoded)
        prefixes.append(np.pad(histories, [(0, 0), (0, 0), (0, T - 1 - t)], constant_values=5))
        parents = rng.integers(K, size=(B, K))
        state = state.reorder(parents)
        histories = np.take_along_axis(histories, parents[..., None], axis=1)
        piece = rng.integers(model.target_size, size=(B, K))

    prefixes = np.stack(prefixes, axis=2)  # B K T T: the pieces that step t had seen, then junk
    everywhere = np.repeat(np.arange(B), K * T)
    forced = model.forward(source[everywhere], mask[everywhere], prefixes.reshape(ROWS, T))
    for name, steps in zip(("features", "alignment"), zip(*stepped, strict=True), strict=True):
        whole = getattr(forced, name)
        if whole is None:
            assert model.config.attention == "none" and set(steps) == {None}
            continue
        whole = np.asarray(whole).reshape(B, K, T, T, -1)
        for t, step in enumerate(steps):
            np.testing.assert_allclose(step, whole[:, :, t, t], **model.tolerance)


@pytest.mark.parametrize("room", [T, 2])
def test_steps_equal_the_forced_pass(variant, room):
    assert_steps_equal_the_forced_pass(variant, room)


@pytest.mark.parametrize("name", ["rnnsearch", "luong", "transformer_pre_shared_tied"])
def test_steps_with_wide_kernels_equal_the_forced_pass(variants, name, monkeypatch):
    monkeypatch.setattr(by_eigen, "WIDE", 1)
    model = replace(variants(name))  # which compiles its steps anew
    layers = [layer for _, layer in nnx.iter_modules(model.model.for_steps())]
    kernels = [layer.kernel[...] for layer in layers if isinstance(layer, nnx.LinearGeneral)]
    assert kernels and {kernel.shape[1] % (2 * COLUMNS) for kernel in kernels} == {COLUMNS}
    assert_steps_equal_the_forced_pass(model, T)


def test_padding_and_batch_mates_change_nothing(variant):
    source, mask, target_in = random_batch(variant)
    expected = variant.forward(source, mask, target_in)
    other_source, other_mask, other_target_in = random_batch(variant, seed=1)
    mine = np.arange(ROWS)[:, None] % 2 == 0  # the even rows keep their real pieces alone
    mixed = variant.forward(
        np.where(mine & mask, source, other_source),
        np.where(mine, mask, other_mask),
        np.where(mine, target_in, other_target_in),
    )
    # Not to the bit: in bfloat16 too, a row's sums do not depend on the other rows.
    even = jax.tree.map(lambda leaf: leaf[::2], (expected, mixed))
    assert_close(even[1], even[0], {"atol": 1e-5})


@pytest.mark.parametrize("name", ["rnnsearch", "fixed_context_lstm", "transformer_pre_shared_tied"])
def test_a_sentence_alone_unpadded_and_uncompiled(variants, name):
    tiny_model = variants(name)
    source, mask, target_in = random_batch(tiny_model)
    row = int(np.argmax(mask.sum(axis=1) == 2))
    expected = tiny_model.forward(source, mask, target_in)
    alone = tiny_model.model(
        source[row : row + 1, :2], mask[row : row + 1, :2], target_in[[row], :3]
    )
    np.testing.assert_allclose(alone.features[0], expected.features[row, :3], atol=1e-5)
    if expected.alignment is not None:
        np.testing.assert_allclose(alone.alignment[0], expected.alignment[row, :3, :2], atol=1e-5)


def test_alignment_is_a_probability_over_real_source_positions(variant):
    source, mask, target_in = random_batch(variant)
    alignment = variant.forward(source, mask, target_in).alignment
    if alignment is None:
        return
    alignment = np.asarray(alignment)
    assert alignment.shape == (ROWS, T, S)
    np.testing.assert_allclose(alignment.sum(axis=-1), 1, atol=1e-5)
    assert (alignment[np.broadcast_to(mask[:, None], alignment.shape)] > 0).all()
    assert not alignment[np.broadcast_to(~mask[:, None], alignment.shape)].any()


def test_every_layer_and_head_is_aligned_and_one_choice_of_them_is_the_models_own(variant):
    batch = random_batch(variant)
    own, attentions = variant.forward(*batch).alignment, variant.model.cross_attentions
    alignments = jax.jit(variant.model.align)(*batch)
    if own is None:
        assert alignments is None and attentions is None
        return
    assert alignments.shape == (ROWS, attentions.num_layers, attentions.num_heads, T, S)
    np.testing.assert_allclose(np.sum(alignments, axis=-1), 1, atol=1e-5)
    chosen = choose_alignment(alignments, attentions.layer, attentions.head)
    np.testing.assert_allclose(chosen, own, **variant.tolerance)


def test_a_piece_first_shows_so_many_rows_after_its_own(variant):
    """The piece that row i predicts is what row i + 1 reads."""
    source, mask, target_in = random_batch(variant)
    attentions = variant.model.cross_attentions
    if attentions is None:
        return
    changed = target_in.copy()
    changed[:, 1] = (changed[:, 1] + 1) % variant.target_size  # piece 0
    before, after = (
        np.asarray(variant.forward(source, mask, target).alignment)
        for target in (target_in, changed)
    )
    is_changed = (before != after).any(axis=(0, 2))
    assert is_changed.argmax() == attentions.rows_to_read


def cell_parameters(config, input_dim, state_dim):
    """W, b and U of each gate."""
    gates = 4 if config.cell == "lstm" else 3
    return gates * state_dim * (input_dim + 1 + state_dim)


def recurrent_parameters(config, source_rows, target_rows):
    E, H, h = config.embedding_dim, config.decoder_dim, config.encoder_dim
    directions = 2 if config.bidirectional else 1
    M, gates = directions * h, 4 if config.cell == "lstm" else 3
    total = target_rows * E + (0 if config.share_embeddings else source_rows * E)
    for layer in range(config.encoder_layers):
        total += directions * cell_parameters(config, M if layer else E, h)
    total += config.decoder_layers * (h + 1) * H  # W_s
    total += cell_parameters(config, E, H)
    total += (config.decoder_layers - 1) * cell_parameters(config, H, H)
    attention_parameters = {
        "additive": (H + M + 1 + 1) * config.alignment_dim,  # W_a, U_a, its bias, v_a
        "concat": (H + M + 1) * H,  # W_a, U_a, v_a
        "general": M * H,
        "dot": 0,
        "none": 0,
    }
    total += attention_parameters[config.attention]
    order = config.decoder_order if config.has_attention else config.fixed_context
    if order == "update_attend_update":
        total += cell_parameters(config, M, H)
    elif order in ("attend_update", "every_step"):
        total += M * gates * H  # C
    total += config.readout_dim * gates * H if config.input_feeding else 0
    reads_context = order != "initial_state"
    width = config.readout_dim * (2 if config.readout == "maxout" else 1)
    total += width * (H + 1 + E + (M if reads_context else 0))
    return total + target_rows * (1 + (0 if config.tie_projection else config.readout_dim))


def transformer_parameters(config, source_rows, target_rows):
    D, F = config.model_dim, config.feedforward_dim
    attention, norm = 4 * (D * D + D), 2 * D
    feedforward = D * F + F + F * D + D
    total = target_rows * D + (0 if config.share_embeddings else source_rows * D)
    total += config.encoder_layers * (attention + feedforward + 2 * norm)
    total += config.decoder_layers * (2 * attention + feedforward + 3 * norm)
    total += 2 * norm if config.norm == "pre" else 0
    return total + target_rows * (1 + (0 if config.tie_projection else D))


FORMULAS = {"recurrent": recurrent_parameters, "transformer": transformer_parameters}


def test_parameter_count(variant):
    expected = FORMULAS[variant.config.architecture](variant.config, 128, 128)
    assert count_parameters(variant.params) == expected
    assert {leaf.dtype for leaf in jax.tree.leaves(variant.params)} == {np.dtype("float32")}


@pytest.mark.parametrize("graph_mode", [True, False])
def test_split_and_merge_round_trip(variants, graph_mode):
    """Under the module system's graph mode and under the tree mode that is to replace it."""
    for name in ("deep_gru_shared_tied", "transformer_post"):
        tiny_model = variants(name)
        with nnx.set_graph_mode(graph_mode):
            graph, params = split_model(merge_model(tiny_model.graph, tiny_model.params))
            assert jax.tree.structure(params) == jax.tree.structure(tiny_model.params)
            jax.tree.map(np.testing.assert_array_equal, params, tiny_model.params)
            hash(graph)
            again = merge_model(graph, jax.tree.map(lambda leaf: leaf, params))
            assert jax.tree.structure(split_model(again)[1]) == jax.tree.structure(params)


def fresh_params(tiny_model):
    sizes = dict(source_size=tiny_model.source_size, target_size=tiny_model.target_size)
    return split_model(build_model(tiny_model.config, **sizes))[1]


def test_merged_models_run_in_tree_mode(variants):
    for name in ("deep_gru_shared_tied", "transformer_pre_shared_tied"):
        tiny_model = variants(name)
        batch = random_batch(tiny_model)
        with nnx.set_graph_mode(False):
            shapes = jax.eval_shape(partial(fresh_params, tiny_model))
            assert jax.tree.structure(shapes) == jax.tree.structure(tiny_model.params)
            graph, params = split_model(tiny_model.model)
            ours = jax.jit(lambda p, *a, graph=graph: merge_model(graph, p)(*a))(params, *batch)
        assert_close(ours, tiny_model.forward(*batch), {"atol": 1e-5})


def test_params_are_plain_nested_dicts_with_string_keys(variant):
    def check(node):
        if not isinstance(node, dict):
            assert isinstance(node, np.ndarray)
            return
        assert type(node) is dict and all(type(key) is str for key in node)
        for child in node.values():
            check(child)

    check(variant.params)


def test_seed_decides_the_parameters(transformer_config):
    def leaves(seed):
        model = build_model(transformer_config, source_size=9, target_size=11, seed=seed)
        return jax.tree.leaves(split_model(model)[1])

    first, again, other = leaves(1), leaves(1), leaves(2)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    # Biases and scales start at 0 and 1, whatever the seed.
    assert all((a != b).any() for a, b in zip(first, other, strict=True) if len(np.unique(a)) > 1)
    assert all(np.isfinite(a).all() for a in first)


def shared_and_twin(variants, tiny, name):
    """A model with one table, its twin with three, and parameters of the twin from the shared."""
    shared = variants(name)
    twin = tiny(replace(shared.config, share_embeddings=False, tie_projection=False))

    def three_tables(params):
        table = params["target_embedding"]["table"]
        return {
            **params,
            "source_embedding": {"table": table},
            "output": {**params["output"], "kernel": table},
        }

    assert jax.tree.structure(three_tables(shared.params)) == jax.tree.structure(twin.params)
    return shared, twin, three_tables


@pytest.mark.parametrize("name", ["deep_gru_shared_tied", "transformer_pre_shared_tied"])
def test_a_shared_table_serves_source_target_and_projection(variants, tiny, name):
    shared, twin, three_tables = shared_and_twin(variants, tiny, name)
    batch = random_batch(twin)
    expected = twin.forward.func(three_tables(shared.params), *batch)
    assert_close(shared.forward(*batch), expected, {"atol": 1e-5})
    projection = shared.model.projection()
    np.testing.assert_array_equal(projection.kernel, shared.params["target_embedding"]["table"])


def test_gradient_of_a_shared_table_is_the_sum_of_its_three_uses(variants, tiny):
    shared, twin, three_tables = shared_and_twin(variants, tiny, "transformer_pre_shared_tied")
    source, mask, target_in = random_batch(twin)
    batch = source[:2], mask[:2], target_in[:2]

    def gradient(graph, params):
        def loss(params):
            model = merge_model(graph, params)
            log_probs = log_probs_from_features(model(*batch).features, model.projection())
            return -log_probs[..., 4].mean()

        return jax.jit(jax.grad(loss))(params)

    ours = gradient(shared.graph, shared.params)["target_embedding"]["table"]
    parts = gradient(twin.graph, three_tables(shared.params))
    uses = (
        parts["source_embedding"]["table"],
        parts["target_embedding"]["table"],
        parts["output"]["kernel"],
    )
    assert all(np.abs(use).max() > 1e-4 for use in uses)
    np.testing.assert_allclose(ours, sum(uses), atol=1e-5)


def test_bfloat16_transformer_multiplies_nothing_in_float32(variants):
    """In the forward pass and in the backward one."""
    tiny_model = variants("transformer_one_layer_bfloat16")
    batch = random_batch(tiny_model)

    def loss(params):
        model = merge_model(tiny_model.graph, params)
        return log_probs_from_features(model(*batch).features, model.projection()).sum()

    text = jax.jit(jax.grad(loss)).lower(tiny_model.params).as_text()
    types = r"dot_general.*: \(tensor<\S*x(\w+)>, tensor<\S*x(\w+)>\) -> \S*x(\w+)>"
    dots = re.findall(types, text)
    # 6 products in an encoder layer, 11 in a decoder layer, the projection; two more in the
    # gradient of each.
    assert len(dots) == 3 * (6 + 11 + 1) and set(dots) == {("bf16", "bf16", "f32")}
