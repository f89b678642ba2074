"""Word links as piece links: against the places of words and pieces in the text."""

import re
from random import Random

import numpy as np
import pytest

from nmt.config.schema import VocabularyConfig
from nmt.data.piece_links import PieceLinks, words_of_pieces
from nmt.data.ragged import Ragged
from nmt.data.sentencepiece_training import train_model
from nmt.data.sentencepiece_vocabulary import SentencePieceVocabulary
from nmt.data.vocabulary import Vocabularies

LINES = [
    "the small cat sees the old house .",
    "l' homme ne dort pas aujourd'hui .",
    "we saw <name> and <name> there , didn't we ?",
    "unrelated words unrelated to words",
    "ß straße größe über alles .",
] * 6
UNSEEN = ["☃ the snow☃man ☃☃ sees", "кот спит the cat", "<name> unseenword <name>x a"]
KINDS = {
    "bpe": VocabularyConfig(size=90),
    "unigram": VocabularyConfig(kind="unigram", size=50),
    "bytes": VocabularyConfig(size=340, byte_fallback=True),
    "symbols": VocabularyConfig(size=95, symbols=("<name>",)),
}


@pytest.fixture(scope="module", params=KINDS)
def vocabulary(request):
    return SentencePieceVocabulary(train_model(LINES, KINDS[request.param]))


def words_by_place(text, spans):
    """The word of each piece by where both stand in the text."""
    ends = [match.end() for match in re.finditer(r"\S+", text)]
    # An empty span stands at the start of the word that it belongs to.
    return [sum(end <= start for end in ends) for start, _ in spans]


@pytest.mark.parametrize("text", [*LINES[:5], *UNSEEN])
def test_words_of_canonical_pieces_are_those_at_their_places(vocabulary, text):
    pieces = vocabulary.encode_with_spans(text)
    ids = np.array([*pieces.ids, vocabulary.eos_id, vocabulary.pad_id])
    expected = [*words_by_place(text, pieces.spans), -1, -1]
    assert words_of_pieces(ids, vocabulary).tolist() == expected


def test_sampled_pieces_belong_to_words_too(vocabulary):
    for seed in range(3):
        for text, ids in zip(LINES, vocabulary.encode_sampled(LINES, seed, 0.3), strict=True):
            words = words_of_pieces(ids, vocabulary)
            assert sorted(set(words)) == list(range(len(text.split())))
            joined = ["" for _ in text.split()]
            for word, piece in zip(words, ids, strict=True):
                joined[word] += vocabulary.decode([piece])
            assert joined == text.split()


@pytest.fixture(scope="module")
def vocabularies():
    both = SentencePieceVocabulary(train_model(LINES, KINDS["bpe"]))
    return Vocabularies(both, both)


def test_every_piece_of_a_word_is_linked_with_every_piece_of_the_other(vocabularies):
    both, random = vocabularies.source, Random(1)
    sources, targets = LINES[:5], [LINES[i] for i in (3, 1, 4, 0, 2)]
    links = [
        [
            (random.randrange(len(s.split())), random.randrange(len(t.split())))
            for _ in range(random.randrange(5))
        ]
        for s, t in zip(sources, targets, strict=True)
    ]
    assert any(links)
    ragged = Ragged.from_arrays([np.array(pair, np.int32).reshape(-1) for pair in links])
    indices, length = np.array([4, -1, 0, 2]), 40

    def padded(text):
        ids = [] if text is None else both.encode(text)
        ids = [*ids, both.eos_id]
        return ids + [both.pad_id] * (length - len(ids))

    source = np.array([padded(sources[i] if i >= 0 else None) for i in indices])
    target = np.array([padded(targets[i] if i >= 0 else None) for i in indices])
    matrices = PieceLinks(ragged, vocabularies).matrices(indices, source, target)
    assert matrices.shape == (4, length, length)
    assert matrices.dtype == bool

    expected = np.zeros_like(matrices)
    for row, i in enumerate(indices):
        if i < 0:
            continue
        of_source = words_by_place(sources[i], both.encode_with_spans(sources[i]).spans)
        of_target = words_by_place(targets[i], both.encode_with_spans(targets[i]).spans)
        for s, source_word in enumerate(of_source):
            for t, target_word in enumerate(of_target):
                expected[row, t, s] = (source_word, target_word) in links[i]
    np.testing.assert_array_equal(matrices, expected)


def test_a_batch_without_links_has_none(vocabularies):
    links = PieceLinks(Ragged.from_arrays([np.empty(0, np.int32)]), vocabularies)
    pieces = np.array([[vocabularies.source.eos_id]])
    assert not links.matrices(np.array([-1]), pieces, pieces).any()
    assert not links.matrices(np.array([0]), pieces, pieces).any()


@pytest.mark.parametrize("past", [0, 1, 7])
def test_a_link_past_the_last_word_links_nothing(vocabularies, past):
    """Neither EOS nor PAD, which belong to no word."""
    both, text = vocabularies.source, LINES[0]
    num_words = len(text.split())
    row = [*both.encode(text), both.eos_id, both.pad_id]
    pieces, indices = np.array([row]), np.array([0])

    def matrices(*links):
        flat = Ragged.from_arrays([np.array(links, np.int32).reshape(-1)])
        return PieceLinks(flat, vocabularies).matrices(indices, pieces, pieces)

    end = num_words + past
    within = matrices((0, 1))
    assert within.any() and not within[:, -2:].any() and not within[:, :, -2:].any()
    for stray in ((end, 0), (0, end), (end, end)):
        assert not matrices(stray).any()
        np.testing.assert_array_equal(matrices(stray, (0, 1)), within)
