"""Unknown pieces replaced by aligned source words: by hand, and through the translator."""

from dataclasses import replace

import numpy as np
import pytest

from nmt.config.schema import RecurrentConfig, SearchConfig, VocabularyConfig
from nmt.data.vocabularies import train_vocabularies
from nmt.decoding.aligning import PieceAlignment, segment
from nmt.decoding.finding import Found
from nmt.decoding.scoring import score_ids
from nmt.decoding.translator import Translator
from nmt.decoding.unknown import aligned_words, words_for_unknown
from nmt.errors import ConfigError

KEEP = SearchConfig(beam_size=2, max_length_factor=0.5, max_length_extra=4)
REPLACE, FORBID = replace(KEEP, unknown="replace"), replace(KEEP, unknown="forbid")
MODEL = dict(embedding_dim=8, encoder_dim=8, decoder_dim=12, alignment_dim=8, readout_dim=8)
LINES = ["the zebra sees a gnu .", "", "a small okapi", "\u00a0the  yak sees the yak ,"]


@pytest.fixture(scope="module")
def words(made_up, tmp_path_factory):
    """Two vocabularies, of which neither knows all of the words."""
    folder = tmp_path_factory.mktemp("words")
    config = VocabularyConfig(kind="word", size=10, joint=False)
    return train_vocabularies(made_up(40), made_up(40, seed=1), config, folder)


@pytest.fixture(scope="module")
def translator(words, random_model):
    """A model that writes the unknown word now and then; longer lines are translated in parts."""
    model = random_model(RecurrentConfig(**MODEL), len(words.source))
    return Translator(*model, words, KEEP, max_source_pieces=6)


def test_the_word_of_the_greatest_weight_takes_the_place(words):
    source = segment(words.source, "  the  zebra\u00a0sees")  # the, zebra, sees, EOS
    target = [1, 5, 1, 6, 1, 3]
    matrix = np.full((6, 4), 0.1)
    matrix[0, 1] = matrix[2, 0] = matrix[1, 2] = 0.5
    matrix[4] = [0.0, 0.1, 0.2, 0.7]  # most to EOS, which is no word
    found = aligned_words(source, np.array(target), PieceAlignment(matrix), 1)
    assert found == ["zebra", "the", "sees"]


def test_pieces_without_text_are_passed_over(vocabularies):
    source = segment(vocabularies.source, "漢字 cat")
    empty = [place for place, (start, end) in enumerate(source.spans) if start == end]
    matrix = np.zeros((2, len(source.ids)))
    matrix[0] = 0.1
    matrix[0, [*empty, -1]] = 0.3
    matrix[0, source.ids.tolist().index(vocabularies.source.unk_id)] = 0.2
    found = aligned_words(source, np.array([1, 3]), PieceAlignment(matrix), 1)
    assert found == ["漢字"]


def test_only_hypotheses_with_unknown_words_are_aligned(words):
    found = [[Found(np.array(ids), 0.0, 0.0) for ids in of] for of in ([[5, 3], [1, 3]], [[6, 3]])]
    calls = []

    def align(sources, targets):
        calls.append(([ids.tolist() for ids in sources], [ids.tolist() for ids in targets]))
        return [PieceAlignment(np.array([[0.2, 0.8, 0.0], [1, 0, 0]])) for _ in sources]

    texts = ["zebra gnu", "yak"]
    assert words_for_unknown(texts, found, words, align) == [[None, ["gnu"]], [None]]
    assert calls == [([[1, 1, 3]], [[1, 3]])]
    assert words_for_unknown(texts[1:], found[1:], words, align) == [[None]] and len(calls) == 1


def test_a_translation_has_the_aligned_words_in_place_of_unknown_ones(translator):
    kept = translator.translate(LINES, align=True, num_hypotheses=2)
    replaced = translator.translate(LINES, search=REPLACE, align=True, num_hypotheses=2)
    seen = 0
    for line, before, after in zip(LINES, kept, replaced, strict=True):
        assert len(before.hypotheses) == len(after.hypotheses) == (2 if line else 1)
        for one, other in zip(before.hypotheses, after.hypotheses, strict=True):
            assert (other.log_prob, other.score) == (one.log_prob, one.score)
            expected = one.text.split()
            for row, word in enumerate(expected):
                if word == "UNK":  # its row in the matrix of words is that of the piece
                    expected[row] = line.split()[one.alignment.matrix[row].argmax()]
                    seen += 1
            assert other.text == " ".join(expected)
            if line:
                assert other.alignment.target_words == expected
                np.testing.assert_array_equal(other.alignment.matrix, one.alignment.matrix)
    assert seen > 0
    without = translator.translate(LINES, search=REPLACE, num_hypotheses=2)
    assert [translation.text for translation in without] == [each.text for each in replaced]


def test_a_search_that_may_not_produce_unknown_words(translator, words):
    sources = [np.array([*words.source.encode(line), 3]) for line in LINES if line]
    found = translator.translate_ids(sources, search=FORBID)
    ids = [of_line[0].ids for of_line in found]
    assert not any(words.target.unk_id in of_line for of_line in ids)
    scores = score_ids(
        translator.graph,
        translator.params,
        sources,
        ids,
        words.target.special,
        mesh=translator.mesh,
    )  # the probability of the unknown word goes to no other
    for (one,), score in zip(found, scores, strict=True):
        assert one.log_prob == pytest.approx(score.log_prob, rel=1e-4)


def test_a_model_without_attention_cannot_tell(words, random_model):
    model = random_model(RecurrentConfig(attention="none", **MODEL), len(words.source))
    translator = Translator(*model, words, REPLACE)
    with pytest.raises(ConfigError, match="search.unknown replace needs a model with attention"):
        translator.translate(LINES)
