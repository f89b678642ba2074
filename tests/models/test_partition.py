"""Rules by name against the parameters of every kind of model, and arrays spread by them."""

import re
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import optax
import pytest

from nmt.config.schema import RecurrentConfig
from nmt.devices.mesh import MODEL, make_mesh
from nmt.models.build import build_model, split_model
from nmt.models.cells import CELLS
from nmt.models.partition import RULES, shardings


def names_and_shapes(config):
    build = partial(build_model, config, source_size=11, target_size=11)
    flat = jax.tree_util.tree_leaves_with_path(jax.eval_shape(lambda: split_model(build())[1]))
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): leaf.shape for path, leaf in flat
    }


@pytest.fixture(scope="module")
def everything(variant_configs):
    """Every kind of model, and stacks of every cell."""
    stacks = [
        RecurrentConfig(cell=cell, encoder_layers=2, decoder_layers=2, layer_norm=True)
        for cell in CELLS
    ]
    return [names_and_shapes(config) for config in (*variant_configs.values(), *stacks)]


def test_every_rule_names_something_and_all_of_its_axes(everything):
    first_rules = set()
    for parameters in everything:
        for name, shape in parameters.items():
            for number, (pattern, spec) in enumerate(RULES):
                if re.search(pattern, name):
                    assert len(spec) == len(shape), name
                    first_rules.add(number)
                    break
    assert first_rules == set(range(len(RULES)))


def test_every_matrix_is_named(everything):
    """What is whole everywhere is vectors: biases and the scales of norms, of each layer."""
    for parameters in everything:
        for name, shape in parameters.items():
            if not any(re.search(pattern, name) for pattern, _ in RULES):
                assert re.search(r"(bias|scale)$", name), name
                assert len(shape) <= 4


@pytest.mark.parametrize("variant", ["rnnsearch", "transformer_pre_shared_tied"])
@pytest.mark.parametrize("model_devices", [1, 2, 4])
def test_spread_arrays_hold_the_same_values_in_parts(variants, variant, model_devices):
    mesh = make_mesh(model_devices, jax.devices()[: 2 * model_devices])
    params = variants(variant).params
    state = optax.adam(1e-3).init(params)
    for tree in (params, state):
        placed = jax.device_put(tree, shardings(tree, mesh))
        jax.tree.map(np.testing.assert_array_equal, placed, tree)
    kernel = jax.device_put(state, shardings(state, mesh))[0].mu["target_embedding"]["table"]
    assert kernel.sharding.shard_shape(kernel.shape)[0] == kernel.shape[0] // model_devices


def test_a_feedforward_layer_is_cut_between_its_two_matrices(variants):
    """W_1 along its output, W_2 along its input: each device makes and reads its own units."""
    tiny = variants("transformer_post")
    placed = shardings(tiny.params, make_mesh(2, jax.devices()[:2]))
    found = {"W_1": 0, "W_2": 0}
    for (path, leaf), (_, sharding) in zip(
        *map(jax.tree_util.tree_leaves_with_path, (tiny.params, placed)), strict=True
    ):
        *_, layer, kind = jax.tree_util.keystr(path, simple=True, separator=".").split(".")
        if layer in found and kind == "kernel":
            cut = [size for size, axis in zip(leaf.shape, sharding.spec, strict=True) if axis]
            assert cut == [tiny.config.feedforward_dim]
            found[layer] += 1
    assert found == {"W_1": 2, "W_2": 2}  # of encoder and decoder, all layers in one array


def test_an_axis_that_the_devices_do_not_divide_is_whole(variant_configs, tiny):
    config = replace(variant_configs["rnnsearch"], decoder_dim=5)
    placed = shardings(tiny(config).params, make_mesh(2, jax.devices()[:2]))
    assert MODEL not in placed["bottom"]["cell"]["U"]["kernel"].spec
    assert MODEL in placed["target_embedding"]["table"].spec
