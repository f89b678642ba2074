"""Alignments of given pieces: those of each pair alone, those of the search, and their rows."""

import itertools
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.analysis.links import Units
from nmt.config.schema import DataConfig, RecurrentConfig, TransformerConfig
from nmt.data.vocabulary import SpecialPieces
from nmt.decoding.aligning import align_ids, segment, segment_ids, units_of
from nmt.decoding.methods import AlignmentMethod
from nmt.decoding.search import beam_search
from nmt.devices.mesh import make_mesh, on_all
from nmt.errors import NmtError
from nmt.models.build import merge_model

SPECIAL = SpecialPieces(pad_id=0, bos_id=2, eos_id=3)
SIZE = 12  # pieces of the random models
RECURRENT = RecurrentConfig(
    embedding_dim=4, encoder_dim=3, decoder_dim=5, alignment_dim=6, readout_dim=4
)
CONDITIONAL = replace(RECURRENT, decoder_order="update_attend_update")
TRANSFORMER = TransformerConfig(
    model_dim=8, feedforward_dim=12, num_heads=2, encoder_layers=1, decoder_layers=2
)
CONFIGS = {
    "gru": RECURRENT,
    "gru, published": replace(
        RECURRENT, cell="gru_reset_before", readout="maxout", readout_state="previous"
    ),
    "gru, two layers": replace(RECURRENT, encoder_layers=2, decoder_layers=2),
    "conditional gru": CONDITIONAL,
    "lstm": replace(RECURRENT, cell="lstm"),
    "conditional lstm, two layers": replace(CONDITIONAL, cell="lstm", decoder_layers=2),
    "transformer, mean of heads": TRANSFORMER,
    "transformer, pre-norm, one head": replace(
        TRANSFORMER, norm="pre", sinusoids="halves", alignment_layer=1, alignment_head=1
    ),
}


class Recorder:
    """A model that remembers the alignment that each call of `step` returns, by its position."""

    def __init__(self, model, rows):
        self.model, self.rows = model, rows
        self.encode, self.init_state = model.encode, model.init_state
        self.projection = model.projection

    def for_steps(self):
        return Recorder(self.model.for_steps(), self.rows)

    def step(self, state, memory, piece, position):
        state, features, alignment = self.model.step(state, memory, piece, position)
        jax.debug.callback(self._keep, position, alignment[:, 0], ordered=True)
        return state, features, alignment

    def _keep(self, position, rows):
        self.rows[int(position)] = np.asarray(rows)


class GreedySearch:
    """Greedy search with one model after another of the same structure, compiled once."""

    def __init__(self, graph, sources, max_lengths):
        self.rows = {}
        length = max(map(len, sources))
        source = np.array([np.pad(ids, (0, length - len(ids))) for ids in sources])
        mask = np.array([np.arange(length) < len(ids) for ids in sources])

        def search(params):
            return beam_search(
                Recorder(merge_model(graph, params), self.rows),
                jnp.asarray(source),
                jnp.asarray(mask),
                **SPECIAL._asdict(),
                beam_size=1,
                length_norm=0.0,
                max_lengths=jnp.asarray(max_lengths),
                max_length=max(max_lengths),
            )

        self._search = jax.jit(search)

    def __call__(self, params):
        """The ids (length,) of each sentence, and what `step` returned on the way, (T, B, S)."""
        self.rows.clear()
        found = self._search(params)
        jax.effects_barrier()
        lengths = np.asarray(found.lengths[:, 0])
        ids = [row[:n] for row, n in zip(np.asarray(found.ids[:, 0]), lengths, strict=True)]
        return ids, np.stack([self.rows[t] for t in range(lengths.max())])


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_forced_pass_aligns_as_the_search_did(random_model, config):
    """For hypotheses that ended by themselves, and for those that the search cut off."""
    rng = np.random.default_rng(1)
    sources = [np.array([*rng.integers(4, SIZE, n), SPECIAL.eos_id]) for n in (5, 1, 7, 3, 4, 6, 2)]
    max_lengths = [1, 2, 3, 4, 12, 12, 12]
    graph, params = random_model(config, SIZE)
    search = GreedySearch(graph, sources, max_lengths)
    # Until there are both kinds: other models, and in each EOS ever likelier.
    for seed, likelier in itertools.product(range(10), np.linspace(0, 6, 25)):
        if likelier == 0:
            params = random_model(config, SIZE, seed)[1]
            bias = params["output"]["bias"]
        params["output"]["bias"] = bias.at[SPECIAL.eos_id].set(likelier)
        targets, rows = search(params)
        ended = any(1 < len(ids) < 12 for ids in targets[4:])
        if ended and any(len(ids) == n > 1 for ids, n in zip(targets, max_lengths, strict=True)):
            break
    else:
        pytest.fail("no model whose hypotheses end at various lengths")
    assert all(ids[-1] == SPECIAL.eos_id for ids in targets)  # those that were cut off as well
    mesh = make_mesh()
    aligned, alone = (
        align_ids(graph, on_all(mesh, params), sources, targets, SPECIAL, mesh=mesh, heads=heads)
        for heads in (True, False)
    )
    for b, (source, target) in enumerate(zip(sources, targets, strict=True)):
        expected = rows[: len(target), b, : len(source)]
        np.testing.assert_allclose(aligned[b].matrix, expected, atol=1e-5)
        np.testing.assert_allclose(alone[b].matrix, expected, atol=1e-5)
        assert aligned[b].heads.shape[2:] == expected.shape and alone[b].heads is None


@pytest.fixture(scope="module")
def pairs():
    """Encoded pairs of various lengths, EOS at the end; one translation is empty."""
    rng = np.random.default_rng(0)

    def draw(length):
        return np.array([*rng.integers(4, SIZE, length - 1), SPECIAL.eos_id], np.int32)

    lengths = [(5, 9), (17, 3), (5, 9), (1, 1), (17, 3), (5, 8)]  # EOS counted
    return [draw(length) for length, _ in lengths], [draw(length) for _, length in lengths]


@pytest.fixture(scope="module")
def transformer(random_model):
    return random_model(CONFIGS["transformer, pre-norm, one head"], SIZE)


@pytest.fixture(scope="module")
def conditional(random_model):
    return random_model(CONDITIONAL, SIZE)


@partial(jax.jit, static_argnums=0)
def align(graph, params, *batch):
    return merge_model(graph, params).align(*batch)


def every_row(model, source, target):
    """(layers, N, T + 2, S) of a pair alone; after its end two more EOS are read."""
    eos = SPECIAL.eos_id
    target_in = jnp.array([SPECIAL.bos_id, *target, eos])[None]
    return np.asarray(align(*model, source[None], np.ones((1, len(source)), bool), target_in)[0])


@pytest.mark.parametrize("name", ["transformer", "conditional"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2)])
def test_alignments_are_those_of_each_pair_alone(request, pairs, name, shape):
    mesh = make_mesh(shape[1], jax.devices()[: shape[0] * shape[1]])
    model = request.getfixturevalue(name)
    own = merge_model(*model).cross_attentions
    expected = [every_row(model, *pair) for pair in zip(*pairs, strict=True)]
    done = []
    aligned = align_ids(
        model[0],
        on_all(mesh, model[1]),
        *pairs,
        SPECIAL,
        mesh=mesh,
        batch_sentences=2,
        heads=True,
        on_batch=done.extend,
    )
    assert sorted(done) == list(range(len(pairs[0])))
    for found, rows, target in zip(aligned, expected, pairs[1], strict=True):
        rows = rows[:, :, : len(target)]
        np.testing.assert_allclose(found.heads, rows, atol=1e-5)
        np.testing.assert_allclose(found.matrix, rows[own.layer, own.head], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "offset"), [("attention", 0), ("attention+1", 1), ("shift-att", 1), ("attention+2", 2)]
)
@pytest.mark.parametrize(("layer", "head"), [(None, None), (0, None), (-1, 0), (0, 1)])
def test_row_offsets_layers_and_heads(transformer, pairs, name, offset, layer, head):
    mesh, method = make_mesh(), AlignmentMethod(name, layer, head)
    aligned = align_ids(*transformer, *pairs, SPECIAL, mesh=mesh, method=method)
    for found, source, target in zip(aligned, *pairs, strict=True):
        heads = every_row(transformer, source, target)[1 if layer is None else layer]
        if head is None:
            expected = heads[1] if layer is None else heads.mean(axis=0)
        else:
            expected = heads[head]
        pieces = len(target) - 1  # of EOS's own row nothing is said
        assert found.matrix.shape == (len(target), len(source))
        np.testing.assert_allclose(
            found.matrix[:pieces], expected[offset : offset + pieces], atol=1e-5
        )


def test_what_a_model_has_not_is_refused(random_model, pairs):
    model = random_model(replace(RECURRENT, attention="none"), SIZE)
    with pytest.raises(NmtError, match="no attention"):
        align_ids(*model, *pairs, SPECIAL, mesh=make_mesh())


def test_nothing_is_aligned_where_nothing_is_given(transformer):
    assert align_ids(*transformer, [], [], SPECIAL, mesh=make_mesh()) == []


def test_a_text_and_pieces_of_a_search_are_segmented_alike(vocabularies):
    vocabulary = vocabularies.target
    given = segment(vocabulary, "the old woman sees a tree .")
    found = segment_ids(vocabulary, given.ids)
    assert found.text == given.text and found.spans == given.spans
    assert given.ids[-1] == vocabulary.eos_id and len(given.spans) == len(given.ids) - 1
    assert segment_ids(vocabulary, np.array([vocabulary.eos_id])).spans == []


@pytest.mark.parametrize(
    ("source", "target", "tokenized", "expected"),
    [
        ("en", "fr", False, Units("word", "word")),
        ("en", "ja", False, Units("word", "piece")),
        ("zh-CN", "en", False, Units("piece", "word")),
        ("en", "ja", True, Units("word", "word")),
    ],
)
def test_languages_without_spaces_are_aligned_by_piece(source, target, tokenized, expected):
    data = DataConfig(path="x", source_language=source, target_language=target, tokenized=tokenized)
    assert units_of(data) == expected
