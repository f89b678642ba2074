"""A model that can be enumerated, and small real ones with a vocabulary."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nmt.config.schema import RecurrentConfig, TransformerConfig, VocabularyConfig
from nmt.data.vocabularies import train_vocabularies
from nmt.models.build import build_model, split_model
from nmt.models.seq2seq import Decoded, DecoderState, Projection, padded_size

MAX_POSITIONS = 64


class Memory(NamedTuple):
    sentence: jax.Array  # (B,), which table a sentence reads
    mask: jax.Array  # (B, S)


@partial(jax.tree_util.register_dataclass, data_fields=["previous"], meta_fields=[])
@dataclass(frozen=True)
class TableState(DecoderState):
    previous: jax.Array  # (B, K), the piece before the one that `step` reads


class TableModel:
    """A model of the contract whose next-piece logits are read from random tables.

    Logits depend on the source sentence (not its padding), the position and the two pieces before,
    so that a wrong parent, position or batch mate shows. features are the logits themselves; the
    projection is the identity.
    """

    pad_id, unk_id, bos_id, eos_id = range(4)

    def __init__(self, size: int, *, seed: int = 0, num_tables: int = 7, scale: float = 2.0):
        rng = np.random.default_rng(seed)
        self.size = size
        self.first = scale * rng.normal(size=(num_tables, MAX_POSITIONS, size))
        self.last = scale * rng.normal(size=(num_tables, size, size))
        self.second_last = scale * rng.normal(size=(num_tables, size, size))

    def projection(self) -> Projection:
        return Projection(
            kernel=jnp.eye(padded_size(self.size), self.size),
            bias=jnp.zeros(padded_size(self.size)),
            size=self.size,
            precision="float32",
        )

    def encode(self, source, source_mask, *, dropout_keys=None):
        sentence = jnp.where(source_mask, source, 0).sum(axis=1) % len(self.first)
        return Memory(sentence, source_mask)

    def for_steps(self):
        return self

    def init_state(self, memory, num_hypotheses, max_length):
        return TableState(jnp.zeros((len(memory.sentence), num_hypotheses), jnp.int32))

    def step(self, state, memory, piece, position):
        table = memory.sentence[:, None]
        features = (
            jnp.asarray(self.first, jnp.float32)[table, position]
            + jnp.asarray(self.last, jnp.float32)[table, piece]
            + jnp.asarray(self.second_last, jnp.float32)[table, state.previous]
        )
        alignment = memory.mask / memory.mask.sum(axis=1, keepdims=True)
        alignment = jnp.broadcast_to(alignment[:, None], (*piece.shape, alignment.shape[1]))
        return TableState(piece), features, alignment

    def __call__(self, source, source_mask, target_in, *, dropout_keys=None):
        memory = self.encode(source, source_mask)
        previous = jnp.pad(target_in, ((0, 0), (1, 0)))[:, :-1]
        position = jnp.arange(target_in.shape[1])  # of each piece, not of all as in search
        _, features, alignment = self.step(TableState(previous), memory, target_in, position)
        return Decoded(features, alignment)

    def log_probs(self, source, prefix) -> np.ndarray:
        """The same in numpy: log-probabilities (V,) of the piece after `prefix` (without BOS)."""
        table = sum(source) % len(self.first)
        pieces = [self.pad_id, self.bos_id, *prefix]
        logits = (
            self.first[table, len(prefix)]
            + self.last[table, pieces[-1]]
            + self.second_last[table, pieces[-2]]
        )
        return logits - np.log(np.exp(logits).sum())

    def legal(self, length, max_length) -> list[int]:
        """The pieces that may come after a prefix of `length`."""
        if length + 1 == max_length:
            return [self.eos_id]
        return [p for p in range(self.size) if p not in (self.pad_id, self.bos_id)]


@pytest.fixture(scope="session")
def table_model():
    """Makes a TableModel: table_model(size, seed=..., scale=...)."""
    return TableModel


WORDS = [
    "the",
    "a",
    "small",
    "red",
    "old",
    "cat",
    "dog",
    "house",
    "tree",
    "man",
    "woman",
    "sees",
    "near",
]


def made_up_lines(num_lines: int, *, seed: int = 0, max_words: int = 6) -> list[str]:
    """Lines of words drawn at random, ending with a full stop."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, max_words + 1, num_lines)
    return [" ".join([*rng.choice(WORDS, length), "."]) for length in lengths]


@pytest.fixture(scope="session")
def made_up():
    """made_up(num_lines, seed=..., max_words=...): lines to translate."""
    return made_up_lines


@pytest.fixture(scope="session")
def vocabularies(tmp_path_factory):
    """A joint vocabulary of the made-up words, which splits some of them."""
    lines = made_up_lines(80)
    config = VocabularyConfig(size=50)
    return train_vocabularies(lines, lines, config, tmp_path_factory.mktemp("vocabulary"))


def make_random_model(config, size, seed=0):
    """A model with `size` pieces on both sides and parameters from numpy, as (graph, params)."""
    graphs = []

    def parts():
        graph, params = split_model(build_model(config, source_size=size, target_size=size))
        graphs.append(graph)
        return params

    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(parts)  # the initialisers would take seconds to compile
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype), shapes)
    return graphs[0], params


@pytest.fixture(scope="session")
def random_model():
    """random_model(config, size, seed) -> (graph, params)."""
    return make_random_model


@pytest.fixture(scope="session")
def models(vocabularies):
    """Small models with random parameters, as {name: (graph, params)}."""
    configs = {
        "recurrent": RecurrentConfig(
            embedding_dim=8, encoder_dim=8, decoder_dim=12, alignment_dim=8, readout_dim=8
        ),
        "without attention": RecurrentConfig(
            attention="none", embedding_dim=8, encoder_dim=8, decoder_dim=12, readout_dim=8
        ),
        "transformer": TransformerConfig(
            model_dim=8, feedforward_dim=12, num_heads=2, encoder_layers=1, decoder_layers=2
        ),
    }
    size = len(vocabularies.source)
    built = {
        name: split_model(build_model(config, source_size=size, target_size=size))
        for name, config in configs.items()
    }
    return {  # greater parameters, so that some pieces are much likelier than others
        name: (graph, jax.tree.map(lambda leaf: 2 * leaf, params))
        for name, (graph, params) in built.items()
    }
