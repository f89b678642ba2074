"""Whole recurrent models against numpy, sentence by sentence and position by position."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from nmt.models import recurrent

SENTENCES = [[5, 6, 4, 3], [7, 3]]
SOURCE = np.array([[5, 6, 4, 3], [7, 3, 1, 2]])  # junk under the padding
SOURCE_MASK = np.arange(4) < np.array([[4], [2]])
TARGET_IN = np.array([[2, 9, 10, 5, 4], [2, 8, 3, 3, 1]])


def as_float64(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def assert_follows(tiny_model, reference):
    """reference(params, source ids, target_in ids) -> features, alignments of one sentence."""
    ours = tiny_model.forward(SOURCE, SOURCE_MASK, TARGET_IN)
    for b, sentence in enumerate(SENTENCES):
        features, alignments = reference(as_float64(tiny_model.params), sentence, TARGET_IN[b])
        np.testing.assert_allclose(ours.features[b], features, atol=1e-5)
        if ours.alignment is None:
            assert not alignments
        else:
            np.testing.assert_allclose(
                np.asarray(ours.alignment)[b, :, : len(sentence)], alignments, atol=1e-5
            )


def affine(layer, x):
    return x @ layer["kernel"] + layer.get("bias", 0)


def read(cell, params, xs, state, output=lambda state: state):
    """The cell's outputs over xs, and its last state."""
    outputs = []
    for x in xs:
        state = cell(params, x, state)
        outputs.append(output(state))
    return outputs, state


def attend(params, query, annotations):
    """Bahdanau et al. (2015), appendix A.1.2, with a bias on U_a."""
    energies = [
        params["v_a"] @ np.tanh(affine(params["W_a"], query) + affine(params["U_a"], h))
        for h in annotations
    ]
    weights = np.exp(energies) / np.sum(np.exp(energies))
    return sum(a * h for a, h in zip(weights, annotations, strict=True)), weights


def test_rnnsearch_follows_the_paper(tiny, recurrent_config, reference_cells):
    """Bahdanau et al. (2015), appendix A.2: reset before the matmul, maxout, t_i from s_{i-1}."""
    gru = reference_cells["gru_reset_before"]
    config = replace(
        recurrent_config, cell="gru_reset_before", readout="maxout", readout_state="previous"
    )

    def rnnsearch(params, source, target_in):
        x = params["source_embedding"]["table"][source]
        encoder, H = params["encoder"], config.encoder_dim
        forward, _ = read(gru, encoder["forward"]["0"], x, np.zeros(H))
        backward, _ = read(gru, encoder["backward"]["0"], x[::-1], np.zeros(H))
        annotations = [np.concatenate(pair) for pair in zip(forward, backward[::-1], strict=True)]

        s = np.tanh(affine(params["start"]["0"], backward[-1]))  # read last: the first word's
        features, alignments = [], []
        for y in target_in:
            Ey = params["target_embedding"]["table"][y]
            c, alpha = attend(params["attention"], s, annotations)
            t = (
                affine(params["readout"]["U_o"], s)
                + affine(params["readout"]["V_o"], Ey)
                + affine(params["readout"]["C_o"], c)
            )
            features.append([max(t[2 * j], t[2 * j + 1]) for j in range(config.readout_dim)])
            alignments.append(alpha)
            # [E y; c] is multiplied by [W; C].
            joined = {
                "W": {
                    "kernel": np.concatenate(
                        [params["bottom"]["cell"]["W"]["kernel"], params["bottom"]["C"]["kernel"]]
                    ),
                    "bias": params["bottom"]["cell"]["W"]["bias"],
                },
                "U": params["bottom"]["cell"]["U"],
                "U_n": params["bottom"]["cell"]["U_n"],
            }
            s = gru(joined, np.concatenate([Ey, c]), s)
        return features, alignments

    assert_follows(tiny(config), rnnsearch)


def test_conditional_gru_of_two_layers(tiny, recurrent_config, reference_cells):
    """Update, attend, update; tanh readout of the top layer's s_i; a stacked encoder."""
    gru = reference_cells["gru_reset_after"]
    config = replace(
        recurrent_config, decoder_order="update_attend_update", encoder_layers=2, decoder_layers=2
    )

    def conditional_gru(params, source, target_in):
        annotations = params["source_embedding"]["table"][source]
        for layer in "01":
            start = np.zeros(config.encoder_dim)
            forward, _ = read(gru, params["encoder"]["forward"][layer], annotations, start)
            backward, last = read(
                gru, params["encoder"]["backward"][layer], annotations[::-1], start
            )
            annotations = np.array(
                [np.concatenate(pair) for pair in zip(forward, backward[::-1], strict=True)]
            )
        s, upper = (np.tanh(affine(params["start"][layer], last)) for layer in "01")
        features, alignments = [], []
        for y in target_in:
            Ey = params["target_embedding"]["table"][y]
            between = gru(params["bottom"]["cell"], Ey, s)
            c, alpha = attend(params["attention"], between, annotations)
            s = gru(params["bottom"]["second_cell"], c, between)
            upper = gru(params["upper"]["0"], s, upper)
            t = (
                affine(params["readout"]["U_o"], upper)
                + affine(params["readout"]["V_o"], Ey)
                + affine(params["readout"]["C_o"], c)
            )
            features.append(np.tanh(t))
            alignments.append(alpha)
        return features, alignments

    assert_follows(tiny(config), conditional_gru)


def test_fixed_context_at_every_step(tiny, recurrent_config, reference_cells):
    """Cho et al. (2014): one c in every update and every readout."""
    gru = reference_cells["gru_reset_after"]
    config = replace(recurrent_config, attention="none", fixed_context="every_step")

    def encoder_decoder(params, source, target_in):
        x, start = params["source_embedding"]["table"][source], np.zeros(config.encoder_dim)
        _, forward = read(gru, params["encoder"]["forward"]["0"], x, start)
        _, backward = read(gru, params["encoder"]["backward"]["0"], x[::-1], start)
        c = np.concatenate([forward, backward])
        s = np.tanh(affine(params["start"]["0"], backward))
        features, cell = [], params["bottom"]["cell"]
        for y in target_in:
            Ey = params["target_embedding"]["table"][y]
            with_c = np.einsum("m,mgh->gh", c, params["bottom"]["C"]["kernel"])
            W = {"kernel": cell["W"]["kernel"], "bias": cell["W"]["bias"] + with_c}
            s = gru({"W": W, "U": cell["U"]}, Ey, s)
            t = (
                affine(params["readout"]["U_o"], s)
                + affine(params["readout"]["V_o"], Ey)
                + affine(params["readout"]["C_o"], c)
            )
            features.append(np.tanh(t))
        return features, []

    assert_follows(tiny(config), encoder_decoder)


def test_context_in_the_initial_state_only(tiny, recurrent_config, reference_cells):
    """Sutskever et al. (2014): a stack of LSTMs, one direction, which start from tanh(W_s h)."""
    lstm = reference_cells["lstm"]
    config = replace(
        recurrent_config,
        cell="lstm",
        attention="none",
        fixed_context="initial_state",
        bidirectional=False,
        encoder_layers=2,
        decoder_layers=2,
    )

    def sequence_to_sequence(params, source, target_in):
        outputs = params["source_embedding"]["table"][source]
        for layer in "01":
            zero = (np.zeros(config.encoder_dim), np.zeros(config.encoder_dim))
            outputs, _ = read(
                lstm, params["encoder"]["forward"][layer], outputs, zero, lambda state: state[0]
            )
        lower, upper = (
            (np.tanh(affine(params["start"][layer], outputs[-1])), np.zeros(config.decoder_dim))
            for layer in "01"
        )
        features = []
        for y in target_in:
            Ey = params["target_embedding"]["table"][y]
            lower = lstm(params["bottom"]["cell"], Ey, lower)
            upper = lstm(params["upper"]["0"], lower[0], upper)
            readout = params["readout"]
            features.append(np.tanh(affine(readout["U_o"], upper[0]) + affine(readout["V_o"], Ey)))
        return features, []

    assert_follows(tiny(config), sequence_to_sequence)


@pytest.mark.parametrize("attention", ["additive", "none"])
def test_dropout_needs_a_key_and_a_rate(tiny, recurrent_config, attention):
    plain = tiny(replace(recurrent_config, attention=attention))
    dropping = tiny(replace(recurrent_config, attention=attention, dropout=0.5))

    def features(tiny_model, keys):
        def forward(keys):
            return tiny_model.model(SOURCE, SOURCE_MASK, TARGET_IN, dropout_keys=keys).features

        return np.asarray(jax.jit(forward)(keys))

    keys, other_keys = (jax.random.split(jax.random.key(seed), len(SOURCE)) for seed in (0, 1))

    expected = features(plain, None)
    np.testing.assert_allclose(features(plain, keys), expected, atol=1e-6)
    np.testing.assert_allclose(features(dropping, None), expected, atol=1e-6)
    dropped = features(dropping, keys)
    zeros = np.mean(dropped == 0)  # the readout is dropped last
    assert abs(zeros - 0.5) < 5 * np.sqrt(0.25 / dropped.size)
    kept = dropped != 0
    # What was kept is not just scaled: embeddings and annotations lost elements too.
    assert np.abs(dropped - 2 * expected)[kept].max() > 0.1
    assert (features(dropping, other_keys) != dropped).any()


def test_memory_holds_what_its_docstring_says(tiny, recurrent_config):
    attentive, fixed = tiny(recurrent_config), tiny(replace(recurrent_config, attention="none"))
    memory, state = attentive.start(SOURCE, SOURCE_MASK, 3, 5)
    assert memory.context is None
    assert memory.annotations.shape == (2, 4, 2 * recurrent_config.encoder_dim)
    assert memory.keys.shape == (2, 4, recurrent_config.alignment_dim)
    assert [leaf.shape for leaf in jax.tree.leaves(state)] == [(2, 3, recurrent_config.decoder_dim)]
    memory, _ = fixed.start(SOURCE, SOURCE_MASK, 3, 5)
    assert memory.annotations is None and memory.keys is None
    assert memory.context.shape == (2, 2 * recurrent_config.encoder_dim)
    np.testing.assert_allclose(  # the backward layer's last output is the context's second half
        memory.start, memory.context[:, recurrent_config.encoder_dim :], atol=1e-6
    )


RATE = 0.5  # of dropout
ORDERS = ["attend_update", "update_attend", "update_attend_update"]


class NumpyDecoder:
    """Two LSTM layers, general attention and tanh, one position at a time; it may be fed."""

    def __init__(self, params, annotations, starts):
        self.params, self.annotations = params, annotations
        self.states = [(start, np.zeros_like(start)) for start in starts]
        self.fed = np.zeros(params["readout"]["U_o"]["kernel"].shape[1])

    def attend(self, query):
        energies = self.annotations @ self.params["attention"]["W_a"]["kernel"] @ query
        weights = np.exp(energies) / np.exp(energies).sum()
        return weights @ self.annotations, weights

    def step(self, lstm, order, y, keep):
        """The features of a position, and its alignment."""
        params, (lower, upper) = self.params, self.states
        Ey = params["target_embedding"]["table"][y]
        read, kernels = [Ey], [params["bottom"]["cell"]["W"]["kernel"]]
        if "feed" in params:
            read, kernels = [*read, self.fed], [*kernels, params["feed"]["kernel"]]
        if order == "attend_update":
            c, alpha = self.attend(lower[0])
            read, kernels = [*read, c], [*kernels, params["bottom"]["C"]["kernel"]]
        cell = params["bottom"]["cell"]  # [E y; t; c] is multiplied by [W; feed; C]
        joined = {"W": {**cell["W"], "kernel": np.concatenate(kernels)}, "U": cell["U"]}
        lower = lstm(joined, np.concatenate(read), lower)
        if order == "update_attend_update":
            c, alpha = self.attend(lower[0])
            lower = lstm(params["bottom"]["second_cell"], c, lower)
        upper = lstm(params["upper"]["0"], lower[0], upper)
        if order == "update_attend":
            c, alpha = self.attend(upper[0])
        self.states = lower, upper
        parts = (("U_o", upper[0]), ("V_o", Ey), ("C_o", c))
        t = np.tanh(sum(affine(params["readout"][name], part) for name, part in parts))
        self.fed = np.where(keep, t / (1 - RATE), 0) if keep is not None else t
        return self.fed, alpha


TARGETS = TARGET_IN[:, :3]


def uncompiled(recurrent_config, attention, order, **options):
    """The config of a tiny stack: not to compile it is faster, the more so as all are of a size."""
    return replace(
        recurrent_config,
        cell="lstm",
        decoder_dim=6,
        decoder_layers=2,
        attention=attention,
        decoder_order=order,
        **options,
    )


@pytest.mark.parametrize("order", ORDERS)
def test_orders_of_a_stack_with_input_feeding(
    order, tiny, recurrent_config, reference_cells, monkeypatch
):
    """Luong et al. (2015), sections 3.1 and 3.3, and what is fed in the other orders.

    Nothing is dropped but the features: where they were is seen in what comes out.
    """
    monkeypatch.setattr("nmt.models.recurrent.dropout", lambda inputs, rate, keys: inputs)
    config = uncompiled(recurrent_config, "general", order, input_feeding=True, dropout=RATE)
    tiny_model = tiny(config)
    lstm, params = reference_cells["lstm"], as_float64(tiny_model.params)
    with jax.disable_jit():
        memory = tiny_model.model.encode(SOURCE, SOURCE_MASK)
        initial = tiny_model.model.init_state(memory, 1, 3)
        decoded = [
            tiny_model.model(SOURCE, SOURCE_MASK, TARGETS, dropout_keys=keys)
            for keys in (None, jax.random.split(jax.random.key(0), len(SOURCE)))
        ]
    kept = np.asarray(decoded[1].features) != 0
    assert 0 < kept.mean() < 1 and (kept[:, 0] != kept[:, 1]).any()
    for b, sentence in enumerate(SENTENCES):
        annotations = np.asarray(memory.annotations, np.float64)[b, : len(sentence)]
        starts = [np.asarray(layer.h, np.float64)[b, 0] for layer in initial.layers]
        for ours, keep in zip(decoded, (None, kept[b]), strict=True):
            decoder = NumpyDecoder(params, annotations, starts)
            for i, y in enumerate(TARGETS[b]):
                features, alpha = decoder.step(lstm, order, y, None if keep is None else keep[i])
                np.testing.assert_allclose(ours.features[b, i], features, atol=1e-5)
                alignment = np.asarray(ours.alignment)[b, i]
                np.testing.assert_allclose(alignment[: len(sentence)], alpha, atol=1e-5)
                assert not alignment[len(sentence) :].any()


@pytest.mark.parametrize("feeding", [False, True])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("attention", ["additive", "dot", "general", "concat"])
def test_steps_equal_the_forced_pass_for_every_attention_and_order(
    tiny, recurrent_config, attention, order, feeding
):
    model = tiny(uncompiled(recurrent_config, attention, order, input_feeding=feeding)).model
    with jax.disable_jit():
        forced = model(SOURCE, SOURCE_MASK, TARGETS)
        memory = model.encode(SOURCE, SOURCE_MASK)
        state = model.init_state(memory, 1, 3)
        assert {leaf.shape[:2] for leaf in jax.tree.leaves(state)} == {(2, 1)}
        assert (state.fed is not None) == feeding
        for i in range(3):
            state, *stepped = model.step(state, memory, TARGETS[:, i : i + 1], np.int32(i))
            for ours, expected in zip(stepped, forced, strict=True):
                np.testing.assert_allclose(ours[:, 0], expected[:, i], atol=1e-5)


def test_tables_are_not_made_where_they_would_be_too_large(tiny, recurrent_config, monkeypatch):
    model = tiny(recurrent_config).model
    rows, gates = len(model.target_embedding.table), model.bottom.cell.gates
    numbers = rows * (gates * recurrent_config.decoder_dim + recurrent_config.readout_dim)
    monkeypatch.setattr(recurrent, "MOST_IN_TABLES", numbers)
    assert sum(table[...].size for table in model.for_steps().tables) == numbers
    monkeypatch.setattr(recurrent, "MOST_IN_TABLES", numbers - 1)
    assert model.for_steps().tables is None
