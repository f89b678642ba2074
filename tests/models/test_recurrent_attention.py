"""Every attention of recurrent decoders against loops over queries and positions."""

import jax
import numpy as np
import pytest
from flax import nnx

from nmt.config.schema import RecurrentConfig
from nmt.models import recurrent_attention
from nmt.models.recurrent_attention import ATTENTIONS, AdditiveAttention, ConcatAttention

LENGTHS = [5, 3, 1]
MASK = np.arange(5) < np.array(LENGTHS)[:, None]
STATE, ANNOTATION, HIDDEN = 6, 6, 3  # dims; as dot attention needs them


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def new(kind, precision="float32"):
    """With random numbers for all parameters, the bias too."""
    config = RecurrentConfig(
        attention=kind, encoder_dim=ANNOTATION // 2, decoder_dim=STATE, alignment_dim=HIDDEN
    )
    model = ATTENTIONS[kind](config, ANNOTATION, precision=precision, rngs=nnx.Rngs(0))
    rng = np.random.default_rng(3)
    fresh = jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), nnx.state(model)
    )
    nnx.update(model, fresh)
    return model


@pytest.fixture(params=ATTENTIONS)
def kind(request):
    return request.param


def additive(model, s, h):
    W_a, U_a = model.W_a.kernel[...], model.U_a.kernel[...]
    return np.tanh(s @ W_a + h @ U_a + model.U_a.bias[...]) @ model.v_a[...]


def concat(model, s, h):
    W_a = np.concatenate([model.W_a.kernel[...], model.U_a.kernel[...]])
    return np.tanh(np.concatenate([s, h]) @ W_a) @ model.v_a[...]


ENERGIES = {
    "additive": additive,
    "concat": concat,
    "dot": lambda model, s, h: s @ h,
    "general": lambda model, s, h: s @ (h @ model.W_a.kernel[...]),
}


def attended(model, queries, annotations, mask=MASK):
    return model(queries, model.keys(annotations), annotations, mask)


def test_attention_matches_loops(kind):
    model = new(kind)
    queries, annotations = (
        random(3, 2, STATE),
        random(3, 5, ANNOTATION, seed=1),
    )  # junk past LENGTHS
    context, alignment = attended(model, queries, annotations)
    for b, length in enumerate(LENGTHS):
        for q in range(2):
            energies = np.array(
                [ENERGIES[kind](model, queries[b, q], annotations[b, j]) for j in range(length)]
            )
            weights = np.exp(energies) / np.exp(energies).sum()
            expected = sum(weights[j] * annotations[b, j] for j in range(length))
            np.testing.assert_allclose(alignment[b, q, :length], weights, atol=1e-5)
            np.testing.assert_allclose(context[b, q], expected, atol=1e-5)
            assert not np.asarray(alignment)[b, q, length:].any()  # exactly zero


def test_padding_other_queries_and_batch_mates_change_nothing(kind):
    model = new(kind)
    queries, annotations = random(3, 2, STATE), random(3, 5, ANNOTATION, seed=1)
    context, alignment = attended(model, queries, annotations)
    junk = np.where(MASK[..., None], annotations, 100 * random(3, 5, ANNOTATION, seed=2))
    for b, length in enumerate(LENGTHS):
        others = [attended(model, queries, junk)]
        alone = annotations[b : b + 1, :length]
        one = queries[b : b + 1, 1:]
        others.append(attended(model, one, alone, np.ones((1, length), bool)))
        for row, (other_context, other_alignment) in zip((b, 0), others, strict=True):
            np.testing.assert_allclose(other_context[row, -1], context[b, 1], atol=1e-5)
            np.testing.assert_allclose(
                other_alignment[row, -1, :length], alignment[b, 1, :length], atol=1e-5
            )


def test_everywhere_is_the_same_and_so_are_its_gradients(monkeypatch):
    """For additive attention, and so for concat; the others have no need of a second way."""
    for kind in ("dot", "general"):
        assert ATTENTIONS[kind].everywhere is ATTENTIONS[kind].__call__
    model = new("additive")
    queries, annotations = random(2, 7, STATE), random(2, 5, ANNOTATION, seed=1)
    keys, mask = model.keys(annotations), MASK[:2]
    wanted = random(2, 7, ANNOTATION, seed=4)
    monkeypatch.setattr(recurrent_attention, "AT_ONCE", 3 * keys.size)  # of 7: 3, 3 and 1

    def gradients(attend):
        def loss(queries, keys, annotations):
            context, alignment = attend(queries, keys, annotations, mask)
            return (context * wanted).sum(), (context, alignment)

        return jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)(queries, keys, annotations)

    ours, expected = jax.jit(lambda: (gradients(model.everywhere), gradients(model)))()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), ours, expected)


@pytest.mark.parametrize("name", ["dot", "general"])
def test_products_of_rounded_operands_are_close(name):
    queries, annotations = random(3, 2, STATE), random(3, 5, ANNOTATION, seed=1)
    exact = attended(new(name), queries, annotations)
    ours = attended(new(name, "bfloat16"), queries, annotations)
    for left, right in zip(ours, exact, strict=True):
        assert left.dtype == np.float32
        np.testing.assert_allclose(left, right, atol=0.05)
        assert (np.asarray(left) != np.asarray(right)).any()


def test_concat_is_additive_attention_of_the_decoders_width_without_a_bias():
    config = RecurrentConfig(decoder_dim=STATE, alignment_dim=STATE)
    options = dict(precision="float32", rngs=nnx.Rngs(0))
    wide, ours = AdditiveAttention(config, 4, **options), ConcatAttention(config, 4, **options)
    nnx.update(ours.W_a, nnx.state(wide.W_a))
    ours.v_a[...] = wide.v_a[...]
    ours.U_a.kernel[...] = wide.U_a.kernel[...]
    assert ours.U_a.bias is None and not np.asarray(wide.U_a.bias[...]).any()
    queries, annotations = random(3, 2, STATE), random(3, 5, 4, seed=1)
    for left, right in zip(
        attended(ours, queries, annotations), attended(wide, queries, annotations), strict=True
    ):
        np.testing.assert_array_equal(left, right)


def test_initial_v_a_has_the_scale_of_a_matrix_with_one_column():
    config = RecurrentConfig(decoder_dim=4, alignment_dim=400)
    model = AdditiveAttention(config, 6, precision="float32", rngs=nnx.Rngs(0))
    bound = np.sqrt(6 / (400 + 1))
    assert model.v_a.shape == (400,)
    assert 0.97 * bound < np.abs(np.asarray(model.v_a[...])).max() <= bound
