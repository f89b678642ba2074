"""Our draws against SentencePiece: its best segmentation in the limit, and its own draws."""

import random
import unicodedata

import numpy as np
import pytest
import sentencepiece

from nmt.config.schema import EmbeddedConfig, VocabularyConfig
from nmt.data.grammar import make_split
from nmt.data.sentencepiece_sampling import PieceSampler
from nmt.data.sentencepiece_training import train_model
from nmt.data.white_space import plain

PAIRS = make_split("train", EmbeddedConfig(num_train=200, max_words=12))
LINES = [line for pair in PAIRS for line in (pair.source, pair.target)]
ALPHABETS = [
    "abcdeft ,.'",
    "éàçÊ",
    "漢字かな한",
    "😀👩‍🚀",
    "<x><s><unk><0x0A>",
    "\u2581\u2047 \t\n\ud800",
]


def random_text(rng: random.Random) -> str:
    runs = (rng.choices(rng.choice(ALPHABETS), k=rng.randrange(5)) for _ in range(rng.randrange(9)))
    return plain(unicodedata.normalize("NFC", "".join(map("".join, runs))))


TEXTS = [random_text(random.Random(seed)) for seed in range(500)] + LINES + ["", " ", "\0a"]


def make_processor(kind, byte_fallback, symbols=()):
    config = VocabularyConfig(kind=kind, size=400, byte_fallback=byte_fallback, symbols=symbols)
    lines = [line + " é" for line in LINES]
    return sentencepiece.SentencePieceProcessor(model_proto=train_model(lines, config))


@pytest.mark.parametrize("byte_fallback", [False, True])
@pytest.mark.parametrize(
    ("kind", "symbols", "limit"),
    [("bpe", (), 0.0), ("bpe", ("<x>", "car"), 0.0), ("unigram", (), 1e6)],
)
def test_in_the_limit_a_draw_is_canonical(kind, symbols, limit, byte_fallback):
    """No dropout; or p ** 1e6, which leaves the most probable one alone."""
    processor = make_processor(kind, byte_fallback, symbols)
    drawn = PieceSampler(processor).draw(TEXTS, limit, random.Random(1).random)
    for text, ids in zip(TEXTS, drawn, strict=True):
        assert ids.dtype == np.int32 and ids.tolist() == processor.encode(text), text


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_the_name_of_a_control_piece_in_a_text_is_unknown_where_its_letters_are(kind):
    config = VocabularyConfig(kind=kind, size=12)
    lines = ["ab cd abcd dcba bca cab"] * 20
    processor = sentencepiece.SentencePieceProcessor(model_proto=train_model(lines, config))
    special = {processor.bos_id(), processor.eos_id(), processor.pad_id()}
    for text in ("a </s> b", "<s>", "ab<pad> cd", "</s></s>"):
        for alpha in (0.1, 0.9):
            (ids,) = PieceSampler(processor).draw([text], alpha, random.Random(1).random)
            assert not special & set(ids.tolist()) and processor.unk_id() in ids


@pytest.mark.parametrize("byte_fallback", [False, True])
@pytest.mark.parametrize(("kind", "symbols"), [("bpe", ("<x>", "car")), ("unigram", ())])
def test_the_text_stays_and_symbols_stay_whole(kind, symbols, byte_fallback):
    processor = make_processor(kind, byte_fallback, symbols)
    before = processor.encode(TEXTS)
    drawn = PieceSampler(processor).draw(TEXTS, 0.2, random.Random(1).random)
    whole = {processor.piece_to_id(symbol) for symbol in symbols} | {processor.unk_id()}
    for ids, canonical in zip(drawn, before, strict=True):
        assert processor.decode(ids.tolist()) == processor.decode(canonical)
        for i in whole:
            assert ids.tolist().count(i) == canonical.count(i)
    assert processor.encode(TEXTS) == before


def test_unigram_draws_are_as_long_as_those_of_sentencepiece():
    processor, num_draws = make_processor("unigram", False), 20
    for alpha in (0.1, 0.3):
        theirs = processor.encode(
            LINES * num_draws, enable_sampling=True, nbest_size=-1, alpha=alpha, num_threads=1
        )
        ours = PieceSampler(processor).draw(LINES * num_draws, alpha, random.Random(1).random)
        lengths = [np.array([len(ids) for ids in draws]) for draws in (ours, theirs)]
        error = np.hypot(*(side.std() / np.sqrt(len(side)) for side in lengths))
        assert abs(lengths[0].mean() - lengths[1].mean()) < 5 * error
