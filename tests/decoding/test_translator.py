"""The translator: what goes in, what comes out, and that it is the search's own."""

import base64
import copy
import logging
import re
import unicodedata
from dataclasses import replace

import jax
import numpy as np
import pytest

from nmt.analysis.links import word_alignment
from nmt.config.schema import (
    CleaningConfig,
    SearchConfig,
    TransformerConfig,
)
from nmt.decoding import aligning, programs
from nmt.decoding.aligning import align_ids
from nmt.decoding.methods import METHODS, AlignmentMethod
from nmt.decoding.scoring import score_ids
from nmt.decoding.search import length_penalty
from nmt.decoding.splitting import MAX_SOURCE_PIECES
from nmt.decoding.translator import Translator
from nmt.devices import mesh as meshes
from nmt.errors import ConfigError, NmtError
from nmt.models.build import build_model, split_model

SHORT = dict(max_length_factor=0.5, max_length_extra=6)
BEAM = SearchConfig(beam_size=3, **SHORT)
GREEDY = SearchConfig(beam_size=1, **SHORT)
SAMPLE = SearchConfig(method="sample", top_p=0.9, temperature=1.5, **SHORT)


@pytest.fixture(scope="module")
def translators(models, vocabularies):
    return {
        name: Translator(*model, vocabularies, BEAM, max_source_pieces=32)
        for name, model in models.items()
    }


@pytest.fixture(scope="module")
def translator(translators):
    return translators["recurrent"]


@pytest.mark.parametrize("name", ["recurrent", "without attention", "transformer"])
@pytest.mark.parametrize("search", [GREEDY, BEAM, SAMPLE], ids=["greedy", "beam", "sample"])
def test_log_prob_is_that_of_forced_decoding(translators, vocabularies, made_up, name, search):
    translator = translators[name]
    num_hypotheses = min(search.beam_size, 3)
    eos = [vocabularies.source.eos_id]
    sources = [np.array(vocabularies.source.encode(line) + eos) for line in made_up(4, seed=1)]
    found = translator.translate_ids(sources, search=search, num_hypotheses=num_hypotheses)
    assert [len(hypotheses) for hypotheses in found] == [num_hypotheses] * 4
    scores = score_ids(
        translator.graph,
        translator.params,
        [source for source in sources for _ in range(num_hypotheses)],
        [hypothesis.ids for hypotheses in found for hypothesis in hypotheses],
        vocabularies.target.special,
        mesh=translator.mesh,
    )
    flat = [hypothesis for hypotheses in found for hypothesis in hypotheses]
    for hypothesis, score in zip(flat, scores, strict=True):
        assert hypothesis.log_prob == pytest.approx(score.log_prob, rel=1e-4)
        penalty = length_penalty(len(hypothesis.ids), search.length_norm)
        assert hypothesis.score == pytest.approx(score.log_prob / float(penalty), rel=1e-4)
        assert hypothesis.ids[-1] == vocabularies.target.eos_id


@pytest.mark.parametrize("name", ["recurrent", "transformer"])
def test_lines_in_are_lines_out_in_their_order(translators, made_up, name):
    lines = made_up(14, seed=2)
    for empty, line in ((0, ""), (3, "  \t"), (9, "\u3000"), (15, "\u2581"), (17, "")):
        lines.insert(empty, line)
    together = translators[name].translate(lines, search=GREEDY)
    assert [t.source for t in together] == lines
    for line, translation in zip(lines, together, strict=True):
        alone = translators[name].translate(line, search=GREEDY, align=False)
        assert translation.text == alone.text
        assert translation.log_prob == pytest.approx(alone.log_prob, rel=1e-4)
        if not line.strip("\u2581 \t\u3000"):
            assert (translation.text, translation.score, translation.log_prob) == ("", 0, 0)
            assert translation.alignment is None and len(translation.hypotheses) == 1
    assert len({t.text for t in together}) > 5  # or the order would show nothing


def test_nothing_in_is_nothing_out(translator):
    assert translator.translate([]) == []
    assert translator.translate("").text == ""
    assert [t.text for t in translator.translate(["", " "], align=True)] == ["", ""]


def test_a_lone_line_has_an_alignment_and_a_list_has_none(translators):
    for name in ("recurrent", "transformer"):
        alone = translators[name].translate("the old cat sees a dog .")
        alignment = alone.alignment
        assert alignment.source_words == ["the", "old", "cat", "sees", "a", "dog", "."]
        assert alignment.target_words == alone.text.split()
        np.testing.assert_allclose(alignment.matrix.sum(axis=1) + alignment.eos, 1, rtol=1e-4)
        (listed,) = translators[name].translate(["the old cat sees a dog ."])
        assert listed.alignment is None
        (listed,) = translators[name].translate(["the old cat sees a dog ."], align=True)
        np.testing.assert_allclose(listed.alignment.matrix, alignment.matrix, atol=1e-5)


def test_a_model_without_attention_says_so(translators):
    translator = translators["without attention"]
    assert translator.translate("the cat .").alignment is None
    for use in (
        lambda: translator.translate("the cat .", align=True),
        lambda: translator.translate(["the cat ."], heads=True),
        lambda: translator.translate(["the cat ."], method=AlignmentMethod("saliency")),
        lambda: translator.align("the cat .", "a dog ."),
        lambda: translator.check_method(AlignmentMethod("attention+1")),
    ):
        with pytest.raises(NmtError, match="no attention"):
            use()
    assert translator.translate("the cat .", align=False, heads=True).alignment is None


def test_the_alignment_of_each_hypothesis_is_that_of_its_own_pieces(translators):
    line = "the old cat sees a dog ."
    for name in ("recurrent", "transformer"):
        translation = translators[name].translate(line, num_hypotheses=3)
        assert translation.alignment is translation.hypotheses[0].alignment
        seen = set()
        for hypothesis in translation.hypotheses:
            assert hypothesis.alignment.source_words == line.split()
            assert hypothesis.alignment.target_words == hypothesis.text.split()
            seen.add(hypothesis.text)
        assert len(seen) > 1
        (listed,) = translators[name].translate([line], num_hypotheses=3)
        assert listed == replace(translation, alignment=None)  # compared without alignments


@pytest.mark.parametrize("name", ["recurrent", "transformer"])
def test_heads_methods_and_choices(translators, made_up, name):
    translator = translators[name]
    attentions = translator.cross_attentions
    sources, targets, done = made_up(6, seed=6), made_up(6, seed=7), []
    every = translator.align_all(sources, targets, heads=True, progress=done.append)
    assert sum(done) == 6
    for layer in range(attentions.num_layers):
        for head in (None, *range(attentions.num_heads)):
            method = AlignmentMethod("attention", layer, head)
            alone = translator.align_all(sources, targets, method=method)
            chosen = copy.copy(translator)
            chosen.choices = {"attention": method}
            as_chosen = chosen.align_all(sources, targets)
            for found, whole, one in zip(every, alone, as_chosen, strict=True):
                expected = found.head(layer, head)
                for alignment in (whole, one):
                    np.testing.assert_allclose(alignment.matrix, expected.matrix, atol=1e-5)
                    np.testing.assert_allclose(alignment.eos, expected.eos, atol=1e-5)
                assert whole.heads is None
            own = attentions.layer, attentions.head
            if (layer, head) == own:
                for found in every:
                    np.testing.assert_allclose(
                        found.matrix, found.head(layer, head).matrix, atol=1e-6
                    )
            explicit = chosen.align_all(
                sources, targets, method=AlignmentMethod("attention", *own), heads=True
            )
            np.testing.assert_allclose(explicit[0].matrix, every[0].matrix, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_alignments_of_words(translators, method):
    translator, line = translators["transformer"], "the old cat sees a dog ."
    (translation,) = translator.translate([line], method=AlignmentMethod(method))
    alignment = translation.alignment
    assert alignment.target_words == translation.text.split()
    np.testing.assert_allclose(alignment.matrix.sum(axis=1) + alignment.eos, 1, rtol=1e-4)
    given_text = "a small dog ."
    given = translator.align(line, given_text, method=AlignmentMethod(method))
    np.testing.assert_allclose(given.matrix.sum(axis=1) + given.eos, 1, rtol=1e-4)
    source, target = translator.vocabularies
    pieces = [side.encode_with_spans(text) for side, text in ((source, line), (target, given_text))]
    (aligned,) = align_ids(
        translator.graph,
        translator.params,
        *([np.array([*side.ids, target.eos_id])] for side in pieces),
        target.special,
        mesh=translator.mesh,
        method=AlignmentMethod(method),
    )
    spans = [side.spans for side in pieces]
    expected = word_alignment(aligned.matrix, line, spans[0], given_text, spans[1])
    np.testing.assert_allclose(given.matrix, expected.matrix, atol=1e-5)


def test_rows_and_columns_may_be_pieces_or_characters(translator):
    source, target = "the woman .", "the cat ."
    pieces = translator.with_units("piece", "character").align(source, target)
    names = translator.vocabularies.source.encode_with_spans(source)
    assert pieces.source_words == [source[start:end] for start, end in names.spans if end > start]
    assert pieces.target_words == list("thecat.")
    words = translator.align(source, target)
    assert words.source_words == source.split()
    np.testing.assert_allclose(pieces.matrix.sum(axis=1) + pieces.eos, 1, rtol=1e-4)
    with pytest.raises(NmtError, match="no unit 'words'"):
        translator.with_units("words", "word")


def test_n_best_is_sorted_and_keeps_equal_texts(translator):
    translation = translator.translate("the cat sees a tree .", num_hypotheses=3)
    assert len(translation.hypotheses) == 3
    assert translation.hypotheses[0].text == translation.text
    scores = [hypothesis.score for hypothesis in translation.hypotheses]
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(ConfigError, match=r"beam_size \(3\); got 4"):
        translator.translate("the cat .", num_hypotheses=4)
    with pytest.raises(ConfigError, match="num_hypotheses must be 1 or more; got 0"):
        translator.translate("the cat .", num_hypotheses=0)


def test_more_samples_than_the_beam_are_allowed_and_the_seed_decides(translator):
    def draw(seed):
        return translator.translate(
            "the cat .", search=SearchConfig(method="sample", seed=seed, **SHORT), num_hypotheses=7
        )

    assert len(draw(1).hypotheses) == 7
    assert draw(1).hypotheses == draw(1).hypotheses
    assert draw(1).hypotheses != draw(2).hypotheses


def test_a_long_line_is_translated_in_parts_and_told(translator, made_up, caplog):
    caplog.set_level(logging.INFO, logger="nmt")
    sentences = made_up(8, seed=3)
    whole = translator.translate(" ".join(sentences), heads=True)
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == "lines of more than 32 pieces, which are translated in parts: 1 of 1"
    parts = translator._parts(" ".join(sentences))
    assert 1 < len(parts) < 9 and all(part.endswith(".") for part in parts)
    of_parts = [translator.translate(part) for part in parts]
    assert whole.text == " ".join(filter(None, (part.text for part in of_parts)))
    assert whole.log_prob == pytest.approx(sum(part.log_prob for part in of_parts), rel=1e-4)
    assert whole.alignment.source_words == " ".join(sentences).split()
    assert whole.alignment.target_words == whole.text.split()
    row = column = 0
    for part in of_parts:
        rows, columns = part.alignment.matrix.shape
        block = slice(row, row + rows), slice(column, column + columns)
        np.testing.assert_allclose(whole.alignment.matrix[block], part.alignment.matrix, atol=1e-5)
        heads = whole.alignment.heads.matrices
        np.testing.assert_allclose(heads[0, 0][block], part.alignment.matrix, atol=1e-5)
        row, column = row + rows, column + columns
    np.testing.assert_allclose(whole.alignment.heads.eos[0, 0], whole.alignment.eos)
    np.testing.assert_allclose(whole.alignment.matrix.sum(axis=1) + whole.alignment.eos, 1)


def test_no_part_has_more_pieces_than_the_limit_with_its_eos(translator):
    vocabulary = translator.vocabularies.source
    for num_words in (30, 31, 32, 33, 62, 63):
        line = " ".join(["the"] * num_words)
        assert len(vocabulary.encode(line)) == num_words  # a piece a word
        parts = translator._parts(line)
        with_eos = [len(ids) for ids in translator._encode(vocabulary, parts)]
        assert max(with_eos) <= translator.max_source_pieces == 32
        assert len(parts) == -(-num_words // 31)  # and none is shorter than need be


def test_a_word_that_had_to_be_cut_is_one_column(translator, made_up):
    line = f"a {'catdogcow' * 40} sleeps . {made_up(1, seed=5)[0]}"
    parts = translator._parts(line)
    alignment = translator.translate(line, heads=True).alignment
    assert alignment.source_words == line.split() != " ".join(parts).split()
    uncut = copy.copy(translator)  # a part that stands alone may have a piece more
    uncut.max_source_pieces = 1000
    of_parts = [uncut.translate(part).alignment for part in parts]
    row = character = 0
    expected = np.zeros_like(alignment.matrix)
    word_of = [i for i, word in enumerate(line.split()) for _ in word]
    for part in of_parts:
        for column, piece in enumerate(part.source_words):
            word = word_of[character]  # of the character that the piece of a word begins with
            expected[row : row + len(part.target_words), word] += part.matrix[:, column]
            character += len(piece)
        row += len(part.target_words)
    np.testing.assert_allclose(alignment.matrix, expected, atol=1e-5)
    np.testing.assert_allclose(alignment.heads.matrices[0, 0], expected, atol=1e-5)


@pytest.mark.parametrize("line", ["\u2581 {}", "{} \u2581", "{} \u2581 {}", "\u2581 {} \u2581 a"])
def test_a_word_without_pieces_is_a_column_of_nothing(translator, line):
    short = copy.copy(translator)
    short.max_source_pieces = 6
    line = line.format(*["abcdthecatabcd"] * 2)
    alignment = short.translate(line).alignment
    assert alignment.source_words == line.split()
    np.testing.assert_allclose(alignment.matrix.sum(axis=1) + alignment.eos, 1, rtol=1e-5)
    nothing = [word == "\u2581" for word in line.split()]
    assert not alignment.matrix[:, nothing].any()


def test_batches_of_a_call_are_as_large_as_it_says_for_alignments_too(translator, monkeypatch):
    rows = []

    def align_ids(*arguments, batch_sentences, **others):
        rows.append(batch_sentences)
        return aligning_as_it_is(*arguments, batch_sentences=batch_sentences, **others)

    aligning_as_it_is = aligning.align_ids
    monkeypatch.setattr(aligning, "align_ids", align_ids)
    small = replace(GREEDY, batch_sentences=2)
    translator.translate(["the cat .", "a dog ."], align=True, search=small)
    translator.translate(["the cat .", "a dog ."], align=True)
    assert rows == [2, translator.search.batch_sentences]


def test_a_search_that_forbids_a_piece_makes_no_second_copy_of_the_model(translator):
    lines = ["the cat .", "a dog ."]
    translator.translate(lines)
    made = programs.prepare_search._cache_size()
    translator.translate(lines, search=replace(BEAM, unknown="forbid"))
    assert programs.prepare_search._cache_size() == made


def test_another_share_to_draw_from_compiles_nothing(translator):
    def draw(top_p):
        search = replace(BEAM, method="sample", top_p=top_p)
        return translator.translate(["the cat sees a tree ."], search=search)

    draw(0.5)
    compiled = programs.sample._cache_size()
    draw(0.9)
    assert programs.sample._cache_size() == compiled


def test_lines_are_cleaned_as_the_training_text_was(translator):
    spaced, plain = translator.translate(["  the  cat\u00a0.\t", "the cat ."])
    assert spaced.text == plain.text and spaced.source == "  the  cat\u00a0.\t"
    apart = unicodedata.normalize("NFD", "é")
    assert translator._clean(apart) == "é"
    as_is = Translator(
        translator.graph,
        translator.params,
        translator.vocabularies,
        cleaning=CleaningConfig(nfc=False, whitespace=False),
    )
    assert as_is._clean(apart + "  ") == apart + "  "


def with_params(translator, params):
    """The same translator with other parameters, as each validation makes one."""
    return Translator(
        translator.graph,
        params,
        translator.vocabularies,
        translator.search,
        max_source_pieces=translator.max_source_pieces,
        mesh=translator.mesh,
    )


def test_other_parameters_share_compiled_code(translator):
    line = ["the cat sees a tree ."]
    before = translator.translate(line)
    compiled = programs.beam_search._cache_size()
    other = with_params(translator, jax.tree.map(lambda leaf: 0.5 * leaf, translator.params))
    assert other.translate(line)[0].log_prob != before[0].log_prob
    assert translator.translate(line) == before
    assert programs.beam_search._cache_size() == compiled


@pytest.fixture(scope="module")
def on_several(models, vocabularies):
    """The recurrent model on eight devices."""
    mesh = meshes.make_mesh(2, jax.devices())
    return Translator(*models["recurrent"], vocabularies, BEAM, max_source_pieces=32, mesh=mesh)


def test_several_devices_give_the_same_translations(translator, on_several, made_up):
    lines = [*made_up(9, seed=4), "", " ".join(made_up(12, seed=5))]
    expected = translator.translate(lines, align=True)
    found = on_several.translate(lines, align=True)
    for one, other in zip(found, expected, strict=True):
        assert one.text == other.text
        assert one.score == pytest.approx(other.score, rel=1e-5)
        if other.alignment is not None:
            np.testing.assert_allclose(one.alignment.matrix, other.alignment.matrix, atol=1e-5)
    texts = [translation.text for translation in expected]
    np.testing.assert_allclose(
        on_several.log_probs(lines, texts), translator.log_probs(lines, texts), rtol=1e-5
    )


def test_parameters_are_placed_once_wherever_they_come_from(on_several):
    line = ["the cat sees a tree ."]
    expected = on_several.translate(line)
    compiled = programs.beam_search._cache_size()
    params = jax.tree.map(np.asarray, on_several.params)
    by_rows = meshes.by_rows(on_several.mesh)
    for given in (
        params,
        jax.device_put(params, jax.devices()[3]),
        jax.tree.map(
            lambda leaf: jax.device_put(leaf, by_rows) if len(leaf) % 4 == 0 else leaf, params
        ),
    ):
        other = with_params(on_several, given)
        whole = meshes.replicated(on_several.mesh)
        assert all(leaf.sharding == whole for leaf in jax.tree.leaves(other.params))
        assert other.translate(line) == expected
    assert programs.beam_search._cache_size() == compiled


def test_all_devices_are_used_unless_a_mesh_is_given(models, vocabularies, monkeypatch):
    monkeypatch.setattr(meshes, "visible_devices", lambda: jax.devices()[:3])
    assert Translator(*models["recurrent"], vocabularies).mesh.shape == {"data": 3, "model": 1}


def test_a_beam_larger_than_the_vocabulary_is_refused(translator):
    size = len(translator.vocabularies.target)
    wanted = rf"beam_size must not exceed the vocabulary of {size} pieces; got {size + 1}$"
    with pytest.raises(ConfigError, match=wanted):
        translator.translate("the cat .", search=SearchConfig(beam_size=size + 1))
    translator.translate([], search=SearchConfig(beam_size=size))
    translator.translate([], search=SearchConfig(method="sample", beam_size=size + 1))


def test_a_limit_of_pieces_is_as_in_training_or_the_usual_one(models, vocabularies):
    model = models["recurrent"]
    assert Translator(*model, vocabularies, max_source_pieces=9).max_source_pieces == 9
    assert Translator(*model, vocabularies).max_source_pieces == MAX_SOURCE_PIECES


@pytest.mark.parametrize("space", [" ", ""])
def test_a_line_of_100_000_characters_is_translated(models, vocabularies, made_up, space):
    text = space.join(" ".join(made_up(3500, seed=8)).split())[:100_000]
    text += "a" * (100_000 - len(text))
    search = SearchConfig(beam_size=1, max_length_factor=0, max_length_extra=3)
    translator = Translator(*models["recurrent"], vocabularies, search)
    (translation,) = translator.translate([text])
    assert len(translator._parts(text)) > 100
    assert len(translation.text.split()) > 100 and translation.log_prob < 0


def test_align_and_score_take_given_translations(translators, vocabularies):
    source, target = "the old cat .", "a small dog sees the man ."
    for name in ("recurrent", "transformer"):
        alignment = translators[name].align(source, target)
        assert alignment.source_words == source.split()
        assert alignment.target_words == target.split()
        np.testing.assert_allclose(alignment.matrix.sum(axis=1) + alignment.eos, 1, rtol=1e-4)
    eos = [vocabularies.source.eos_id]

    def encode(text):
        return np.array(vocabularies.source.encode(text) + eos)

    translator = translators["recurrent"]
    (expected,) = score_ids(
        translator.graph,
        translator.params,
        [encode(source)],
        [encode(target)],
        vocabularies.target.special,
        mesh=translator.mesh,
    )
    done = []
    log_probs = translator.log_probs([source], [target], progress=done.append)
    assert log_probs == [pytest.approx(expected.log_prob)] and done == [1]
    with pytest.raises(NmtError, match="got 2 and 1"):
        translator.log_probs([source, source], [target])


def test_a_notebook_shows_text_and_picture_and_no_markup_of_the_text(translator):
    translation = translator.translate("the <script>alert(1)</script> & cat .")
    shown = translation._repr_html_()
    assert "<script" not in shown and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; cat" in shown
    picture = base64.b64decode(re.search(r'base64,([^"]+)"', shown)[1])
    assert picture.startswith(b"\x89PNG")
    assert "<img" not in translator.translate(["the cat ."])[0]._repr_html_()
    assert "<img" not in translator.translate("")._repr_html_()


def test_progress_adds_up_to_the_lines(translator, made_up):
    lines = ["", *made_up(5), " ".join(made_up(20))]
    done = []
    translator.translate(lines, search=GREEDY, progress=done.append)
    assert sum(done) == len(lines) and done[0] == 1


def test_translations_are_never_longer_than_the_search_allows(translator, made_up):
    search = SearchConfig(beam_size=1, max_length_factor=0, max_length_extra=2)
    eos = [translator.vocabularies.source.eos_id]
    sources = [np.array(translator.vocabularies.source.encode(line) + eos) for line in made_up(4)]
    for (found,) in translator.translate_ids(sources, search=search):
        assert len(found.ids) <= 2


def test_search_has_a_precision_of_its_own(models, vocabularies, translators):
    size = len(vocabularies.source)
    config = TransformerConfig(
        model_dim=8, feedforward_dim=12, num_heads=2, encoder_layers=1, decoder_layers=2
    )
    rounded = build_model(config, source_size=size, target_size=size, precision="bfloat16")
    translator = Translator(
        split_model(rounded)[0], models["transformer"][1], vocabularies, BEAM, max_source_pieces=32
    )
    lines = ["the cat sees a tree .", "a dog ."]
    search = replace(BEAM, precision="bfloat16")
    ours = translators["transformer"].translate(lines, search=search)
    expected = translator.translate(lines)
    assert [(t.text, t.log_prob) for t in ours] == [(t.text, t.log_prob) for t in expected]
    exact = translators["transformer"].translate(lines)
    assert [t.log_prob for t in exact] != [t.log_prob for t in ours]
