"""The whole Transformer against numpy, by Vaswani et al. (2017), section 3; and its options."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from nmt.models.build import build_model

SENTENCES = [[5, 6, 4, 3], [7, 3]]
SOURCE = np.array([[5, 6, 4, 3], [7, 3, 1, 2]])  # junk under the padding
SOURCE_MASK = np.arange(4) < np.array([[4], [2]])
TARGET_IN = np.array([[2, 8, 7, 5, 4], [2, 8, 3, 3, 1]])

ACTIVATIONS = {"relu": lambda x: np.maximum(x, 0), "swish": lambda x: x / (1 + np.exp(-x))}


class Reference:
    """One sentence at a time, one position and one head at a time, in float64."""

    def __init__(self, config, params):
        self.config = config
        self.params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)

    def features(self, source, target_in):
        """-> features (T, D) and alignments (layers, heads, T, S)."""
        annotations, alignments = self.encode(source), []
        xs = self.embed(self.params["target_embedding"]["table"], target_in)
        for number in range(self.config.decoder_layers):
            xs, alignment = self.decoder_layer(self.layer("decoder", number), xs, annotations)
            alignments.append(alignment)
        return self.final("decoder_norm", xs), alignments

    def encode(self, source):
        side = "target" if self.config.share_embeddings else "source"
        xs = self.embed(self.params[f"{side}_embedding"]["table"], source)
        for number in range(self.config.encoder_layers):
            layer = self.layer("encoder", number)
            xs = self.residual(layer, "attention", xs, self.self_attention(layer, causal=False))
            xs = self.residual(layer, "feedforward", xs, self.feedforward(layer))
        return self.final("encoder_norm", xs)

    def decoder_layer(self, layer, xs, annotations):
        alignments = []

        def attend(xs):
            outputs, weights = self.cross_attention(layer["cross_attention"], xs, annotations)
            alignments.append(weights)
            return outputs

        xs = self.residual(layer, "attention", xs, self.self_attention(layer, causal=True))
        xs = self.residual(layer, "cross", xs, attend)
        xs = self.residual(layer, "feedforward", xs, self.feedforward(layer))
        return xs, alignments[0]

    def layer(self, stack, number):
        return jax.tree.map(lambda leaf: leaf[number], self.params[stack]["layers"])

    def embed(self, table, ids):
        """Sections 3.4 and 3.5."""
        D = self.config.model_dim
        xs = np.zeros((len(ids), D))
        for p, piece in enumerate(ids):
            for i in range(D // 2):
                angle = p / 10000 ** (2 * i / D)
                halves = self.config.sinusoids == "halves"
                xs[p, i if halves else 2 * i] = np.sin(angle)
                xs[p, D // 2 + i if halves else 2 * i + 1] = np.cos(angle)
            xs[p] += table[piece] * (np.sqrt(D) if self.config.scale_embeddings else 1)
        return xs

    def norm(self, params, xs):
        mean, variance = xs.mean(axis=-1, keepdims=True), xs.var(axis=-1, keepdims=True)
        return (xs - mean) / np.sqrt(variance + 1e-5) * params["scale"] + params["bias"]

    def residual(self, layer, name, xs, sublayer):
        """Post-norm as published: LayerNorm(x + sublayer(x)); or x + sublayer(LayerNorm(x))."""
        norm = layer[f"{name}_residual"]["norm"]
        if self.config.norm == "post":
            return self.norm(norm, xs + sublayer(xs))
        return xs + sublayer(self.norm(norm, xs))

    def final(self, name, xs):
        return self.norm(self.params[name], xs) if self.config.norm == "pre" else xs

    def self_attention(self, layer, causal):
        params = layer["attention"]
        kernel, bias = (params["queries_keys_values"][name] for name in ("kernel", "bias"))

        def attend(xs):
            heads = []
            for n in range(self.config.num_heads):
                q, k, v = (xs @ kernel[:, part, n] + bias[part, n] for part in range(3))
                heads.append(self.attention(q, k, v, causal)[0])
            return np.concatenate(heads, axis=-1) @ params["out"]["kernel"] + params["out"]["bias"]

        return attend

    def cross_attention(self, params, xs, annotations):
        heads, alignments = [], []
        queries, keys_values = params["queries"], params["keys_values"]
        for n in range(self.config.num_heads):
            q = xs @ queries["kernel"][:, n] + queries["bias"][n]
            k, v = (
                annotations @ keys_values["kernel"][:, part, n] + keys_values["bias"][part, n]
                for part in range(2)
            )
            context, weights = self.attention(q, k, v, causal=False)
            heads.append(context)
            alignments.append(weights)
        out = params["out"]
        return np.concatenate(heads, axis=-1) @ out["kernel"] + out["bias"], alignments

    def attention(self, q, k, v, causal):
        """Equation 1, for one head."""
        weights = np.zeros((len(q), len(k)))
        for i in range(len(q)):
            seen = range(i + 1) if causal else range(len(k))
            exps = [np.exp(q[i] @ k[j] / np.sqrt(len(q[i]))) for j in seen]
            weights[i, : len(exps)] = np.array(exps) / sum(exps)
        return weights @ v, weights

    def feedforward(self, layer):
        W_1, W_2 = layer["feedforward"]["W_1"], layer["feedforward"]["W_2"]
        activation = ACTIVATIONS[self.config.activation]
        return lambda xs: activation(xs @ W_1["kernel"] + W_1["bias"]) @ W_2["kernel"] + W_2["bias"]


@pytest.fixture(params=["post", "pre"], scope="module")
def tiny_model(request, tiny, transformer_config):
    """As published; and everything else than published."""
    if request.param == "post":
        return tiny(transformer_config)
    return tiny(
        replace(
            transformer_config,
            norm="pre",
            activation="swish",
            sinusoids="halves",
            scale_embeddings=False,
            share_embeddings=True,
            tie_projection=True,
            alignment_layer=0,
            alignment_head=1,
        )
    )


@pytest.fixture(scope="module")
def every_alignment(tiny_model):
    return np.asarray(jax.jit(tiny_model.model.align)(SOURCE, SOURCE_MASK, TARGET_IN))


def test_features_and_alignments_follow_the_paper(tiny_model, every_alignment):
    ours = tiny_model.forward(SOURCE, SOURCE_MASK, TARGET_IN)
    config = tiny_model.config
    assert every_alignment.shape == (2, config.decoder_layers, config.num_heads, 5, 4)
    for b, source in enumerate(SENTENCES):
        features, alignments = Reference(config, tiny_model.params).features(source, TARGET_IN[b])
        np.testing.assert_allclose(ours.features[b], features, atol=2e-5)
        np.testing.assert_allclose(
            every_alignment[b, ..., : len(source)], np.array(alignments), atol=1e-5
        )
        assert not every_alignment[b, ..., len(source) :].any()


def test_later_target_pieces_never_change_earlier_features(tiny_model):
    before = tiny_model.forward(SOURCE, SOURCE_MASK, TARGET_IN)
    for t in range(1, 5):
        changed = TARGET_IN.copy()
        changed[:, t:] = (changed[:, t:] + 1) % tiny_model.target_size
        after = tiny_model.forward(SOURCE, SOURCE_MASK, changed)
        for left, right in zip(after, before, strict=True):
            np.testing.assert_array_equal(left[:, :t], right[:, :t])
            assert (left[:, t] != right[:, t]).any()


@pytest.mark.parametrize("layer", [-2, -1, 0, 1])
@pytest.mark.parametrize("head", [None, 0, 1])
def test_alignment_is_that_of_the_chosen_layer_and_head(tiny, transformer_config, layer, head):
    config = replace(transformer_config, alignment_layer=layer, alignment_head=head)
    alignments = np.random.default_rng(0).random(size=(3, 2, 2, 5, 4))  # B layers N T S
    chosen = tiny(config).model._choose(alignments)
    heads = alignments.transpose(1, 2, 0, 3, 4)[layer % 2]
    np.testing.assert_allclose(chosen, heads.mean(axis=0) if head is None else heads[head])


def test_default_alignment_layer_serves_a_decoder_of_one_layer(tiny, transformer_config):
    config = replace(transformer_config, decoder_layers=1)
    alignments = np.random.default_rng(0).random(size=(3, 1, 2, 5, 4))
    expected = alignments[:, 0].mean(axis=1)
    np.testing.assert_allclose(tiny(config).model._choose(alignments), expected)


def test_forced_pass_and_align_give_the_same_alignment(tiny_model, every_alignment):
    config = tiny_model.config
    ours = tiny_model.forward(SOURCE, SOURCE_MASK, TARGET_IN).alignment
    chosen = every_alignment[:, config.alignment_layer]
    head = config.alignment_head
    expected = chosen.mean(axis=1) if head is None else chosen[:, head]
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_embeddings_and_projection_are_one_table_where_told(tiny_model):
    model, shared = tiny_model.model, tiny_model.config.share_embeddings
    table = tiny_model.params["target_embedding"]["table"]
    assert ("source_embedding" in tiny_model.params) != shared
    assert ("kernel" in tiny_model.params["output"]) != shared
    assert (np.asarray(model.projection().kernel) == table).all() == shared


@pytest.mark.parametrize("dim", [16, 64])
def test_scaled_embeddings_start_with_unit_variance(transformer_config, dim):
    config = replace(transformer_config, model_dim=dim, encoder_layers=1, decoder_layers=1)
    model = build_model(config, source_size=1000, target_size=1000)
    for embedding in (model.source_embedding, model.target_embedding):
        scaled = np.asarray(embedding.table[...]) * np.sqrt(dim)
        assert abs(scaled.std() - 1) < 5 / np.sqrt(2 * scaled.size)  # 5 standard errors


def test_dropout_needs_a_key_and_a_rate(tiny, transformer_config):
    def compiled(**rates):
        model = tiny(replace(transformer_config, **rates)).model
        return jax.jit(lambda k: model(SOURCE, SOURCE_MASK, TARGET_IN, dropout_keys=k).features)

    keys, other_keys = (jax.random.split(jax.random.key(seed), len(SOURCE)) for seed in (0, 1))
    expected = compiled(dropout=0.5, attention_dropout=0.5)(None)
    without_rate = compiled(dropout=0.0, attention_dropout=0.0)(keys)
    np.testing.assert_allclose(without_rate, expected, atol=1e-5)
    for rates in ({"dropout": 0.5}, {"dropout": 0.0, "attention_dropout": 0.5}):
        features = compiled(**rates)
        dropped = features(keys)
        np.testing.assert_array_equal(dropped, features(keys))
        assert np.abs(dropped - expected).max() > 0.1
        assert np.abs(dropped - features(other_keys)).max() > 0.1
