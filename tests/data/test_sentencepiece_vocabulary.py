import random
import unicodedata

import numpy as np
import pytest
import sentencepiece

from nmt.config.schema import VocabularyConfig
from nmt.data.sentencepiece_training import train_model
from nmt.data.sentencepiece_vocabulary import SentencePieceVocabulary
from nmt.errors import DataError

NOUNS = ["cat", "dog", "house", "river", "garden", "tree", "letter", "window"]
SOURCE = [f"The {a} sees the {b} , and {len(a)} more ." for a in NOUNS for b in NOUNS]
TARGET = [f"Être {b} à l' été {a} , ça n' est pas {len(b)} ." for a in NOUNS for b in NOUNS]
# Scripts with and without spaces, marks that combine, joined emoji, right to left, odd white space
ALPHABETS = [
    "abcdefgh THE,.'",
    "éàçÊüß",
    "漢字かなカナ한국어",
    "😀👩‍🚀🇫🇷",
    "e\u0301a\u0323\u0302\u200b\u200d\u00ad",
    "عربى עברית हिन्दी",
    "<s></s><pad><unk><x>",
    "\u2581\u2047\ufffd",
    " \u00a0\u3000\t\n\u2028\x1c",
]


def random_text(rng: random.Random) -> str:
    parts = []
    for _ in range(rng.randrange(12)):
        alphabet = rng.choice(ALPHABETS)
        parts.append("".join(rng.choice(alphabet) for _ in range(rng.randrange(5))))
        parts.append(" " * rng.randrange(3))
    return unicodedata.normalize("NFC", "".join(parts))


def words(text: str) -> list[str]:
    return text.replace("\u2581", " ").split()


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def spelling(request):
    """A vocabulary that spells what it does not know in bytes."""
    config = VocabularyConfig(kind=request.param, size=300, byte_fallback=True, symbols=("<x>",))
    return SentencePieceVocabulary(train_model(SOURCE + TARGET, config))


@pytest.fixture(scope="module")
def plain_bpe():
    return SentencePieceVocabulary(train_model(SOURCE + TARGET, VocabularyConfig(size=120)))


def test_special_pieces_and_symbols(spelling):
    assert (spelling.pad_id, spelling.unk_id, spelling.bos_id, spelling.eos_id) == (0, 1, 2, 3)
    assert tuple(spelling.special) == (0, 2, 3)
    assert len(spelling) == 300
    assert "<x>" in spelling.encode_with_spans("cat<x>dog").pieces
    assert not {0, 1, 2, 3} & set(spelling.encode("<s> </s> <pad> <unk> \u2047"))


def test_round_trip_keeps_all_but_white_space(spelling):
    rng = random.Random(1)
    texts = [
        "",
        " ",
        "  cat  ",
        "\u2581",
        "a\u2581b",
        "\n",
        *(random_text(rng) for _ in range(500)),
    ]
    for text, batched in zip(texts, spelling.encode_batch(texts), strict=True):
        ids = spelling.encode(text)
        assert batched.dtype == np.int32 and batched.tolist() == ids
        assert spelling.decode(ids) == " ".join(words(text))
        assert ids == spelling.encode(" ".join(words(text)))
    assert spelling.encode_batch([]) == []


def test_unknown_characters_without_byte_fallback(plain_bpe):
    ids = plain_bpe.encode("The 漢字 cat")
    assert ids.count(plain_bpe.unk_id) == 1
    assert plain_bpe.decode(ids) == "The \u2047 cat"
    assert plain_bpe.decode_with_spans(ids).text == "The \u2047 cat"
    assert "漢字" in plain_bpe.encode_with_spans("The 漢字 cat").pieces


def test_what_is_written_for_unknown_pieces(plain_bpe):
    ids = plain_bpe.encode("The 漢字 cat 漢 .")
    decoded = plain_bpe.decode_with_spans([*ids, plain_bpe.eos_id], ["X", "YZ"])
    assert decoded.text == "The X cat YZ ." == plain_bpe.decode(ids, ["X", "YZ"])
    written = [decoded.spans[i] for i, piece in enumerate(ids) if piece == plain_bpe.unk_id]
    assert [decoded.text[start:end] for start, end in written] == ["X", "YZ"]


def test_half_a_surrogate_pair_does_no_harm(spelling):
    assert spelling.decode(spelling.encode("a\ud800b")) == "a\ufffdb"


def check_spans(vocabulary, text: str, ids, pieces, spans):
    """Spans ascend, hold their piece's own characters, and together all but white space."""
    assert len(ids) == len(pieces) == len(spans)
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert spans == sorted(spans)
    held = sorted({(start, end) for start, end in spans if start < end})
    assert all(a[1] <= b[0] for a, b in zip(held, held[1:], strict=False))
    assert "".join(text[start:end] for start, end in held) == "".join(words(text))
    for i, piece, (start, end) in zip(ids, pieces, spans, strict=True):
        if piece.startswith("<0x"):
            assert end - start <= 1
        elif piece == "\u2581":
            assert start == end and (start == len(text) or not text[start].isspace())
        elif i != vocabulary.unk_id:
            assert text[start:end] == piece.replace("\u2581", "")


def test_spans_of_encoded_text(spelling, plain_bpe):
    rng = random.Random(2)
    for _ in range(400):
        text = random_text(rng).replace("\u2581", " ")
        for vocabulary in (spelling, plain_bpe):
            encoded = vocabulary.encode_with_spans(text)
            assert encoded.ids == vocabulary.encode(text)
            check_spans(vocabulary, text, *encoded)


def test_spans_of_decoded_text(spelling):
    rng = random.Random(3)
    for _ in range(400):
        ids = spelling.encode(random_text(rng))
        decoded = spelling.decode_with_spans(ids)
        check_spans(spelling, decoded.text, ids, decoded.pieces, decoded.spans)
        again = spelling.encode_with_spans(decoded.text)  # the same text, so the same places
        assert (again.ids, again.spans) == (ids, decoded.spans)


def test_spans_by_hand(spelling):
    text = "  The  漢 cat "
    encoded = spelling.encode_with_spans(text)
    place = dict(zip(encoded.pieces, encoded.spans, strict=True))
    mark = encoded.pieces.index("<0xE6>") - 1
    assert (encoded.pieces[mark], encoded.spans[mark]) == ("\u2581", (7, 7))
    assert [place[f"<0x{byte:02X}>"] for byte in "漢".encode()] == [(7, 8)] * 3
    assert encoded.spans[-1][1] == 12


def test_any_ids_decode_as_sentencepiece_does(spelling, plain_bpe):
    """Ids that no text encodes to: bytes out of place, BOS and PAD anywhere, lone marks."""
    rng = random.Random(4)
    for vocabulary in (spelling, plain_bpe):
        reference = vocabulary._processor
        for _ in range(1000):
            size = rng.choice([len(vocabulary), min(len(vocabulary), 270)])
            ids = [rng.randrange(size) for _ in range(rng.randrange(12))]
            ids = [i for i in ids if i != vocabulary.eos_id]
            decoded = vocabulary.decode_with_spans(ids)
            assert decoded.text == " ".join(reference.decode(ids).split())
            assert vocabulary.decode(np.array(ids, np.int32)) == decoded.text
            assert all(0 <= start <= end <= len(decoded.text) for start, end in decoded.spans)
            covered = {c for start, end in decoded.spans for c in range(start, end)}
            assert covered >= {c for c, character in enumerate(decoded.text) if character != " "}


def test_decoding_stops_at_the_first_eos(spelling):
    ids = spelling.encode("The cat sees")
    framed = [2, *ids[:1], 0, *ids[1:], 3, *spelling.encode("the dog"), 3, 0, 0]
    decoded = spelling.decode_with_spans(framed)
    assert decoded.text == spelling.decode(framed) == "The cat sees"
    assert len(decoded.spans) == len(framed)
    assert decoded.spans[0] == (0, 0)
    assert decoded.spans[len(ids) + 2 :] == [(12, 12)] * (len(framed) - len(ids) - 2)
    assert spelling.decode([3]) == spelling.decode([]) == spelling.decode([0, 2]) == ""


def test_a_line_stays_one_line(spelling):
    newline = spelling._names.index("<0x0A>")
    assert spelling.decode([*spelling.encode("a"), newline, newline]) == "a"
    assert spelling.decode([*spelling.encode("a"), newline, *spelling.encode("b")]) == "a b"


def test_fingerprint_and_files(tmp_path, plain_bpe):
    plain_bpe.save(tmp_path / "deep" / "joint.model")
    loaded = SentencePieceVocabulary.from_file(tmp_path / "deep" / "joint.model")
    assert loaded.fingerprint == plain_bpe.fingerprint
    other = SentencePieceVocabulary(train_model(SOURCE, VocabularyConfig(size=60)))
    assert other.fingerprint != plain_bpe.fingerprint and len(other) == 60


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_files_that_are_no_model(tmp_path, content):
    path = tmp_path / "joint.model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"joint\.model"):
        SentencePieceVocabulary.from_file(path)


def test_a_model_without_the_special_pieces(tmp_path):
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SOURCE),
        model_prefix=str(tmp_path / "foreign"),
        vocab_size=30,
        minloglevel=2,
    )
    with pytest.raises(DataError, match="pad, unk, bos and eos; their ids are -1, 0, 1 and 2"):
        SentencePieceVocabulary.from_file(tmp_path / "foreign.model")
