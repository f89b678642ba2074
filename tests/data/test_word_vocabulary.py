"""Lists of words: what is known, what is not, and which words those of a size are."""

import random
from collections import Counter

import numpy as np
import pytest
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from nmt.data.vocabulary import Pieces
from nmt.data.white_space import plain
from nmt.data.word_splitting import Moses, WhiteSpace
from nmt.data.word_vocabulary import WordVocabulary, count_words
from nmt.errors import ConfigError, DataError

LINES = ["b a b c", " a\u3000b  UNK ", "", "é </s> <pad> a\u2581d", "漢字 zz"]
WORDS = ["a", "b", "</s>", "<pad>", "c", "d", "zz", "é", "漢字"]  # three each of the first two


def make(lines, size=100, splitter=None):
    return WordVocabulary(count_words(lines, size, splitter or WhiteSpace()))


@pytest.fixture(scope="module")
def vocabulary():
    return make(LINES)


def test_the_most_frequent_words_and_of_equal_ones_the_first_by_code_points(vocabulary):
    text = plain(" ".join(LINES)).split()
    counts = Counter(word for word in text if word != "UNK")
    ranked = sorted(counts, key=lambda word: [-counts[word], word])
    assert ranked == WORDS
    for size in (1, 2, 5, 9, 10):
        lines = random.Random(size).sample(LINES, len(LINES))  # in any order
        content = count_words(lines, size, WhiteSpace()).decode()
        rows = [f"{word}\t{counts[word]}" for word in ranked[:size]]
        assert content == "\n".join([f"words\t{len(rows)}\t{len(text)}\tnone\t", *rows, ""])
        assert len(WordVocabulary(content.encode())) == len(rows) + 4
    assert tuple(vocabulary.special) == (0, 2, 3) and vocabulary.unk_id == 1
    assert [vocabulary.encode(word) for word in ranked] == [[i] for i in range(4, 13)]
    shares = f"{100 * 13 / 14:.1f} % of the text"
    assert vocabulary.description == f"9 words ({shares})"


def test_each_unknown_word_is_one_piece_in_runs_too(vocabulary):
    rng = random.Random(3)
    for _ in range(100):
        words = [rng.choice([*WORDS, "new", "a.", "UNK", "<s>"]) for _ in range(rng.randrange(8))]
        text = rng.choice([" ", "\t", " \u2581"]).join(words)
        ids = vocabulary.encode(text)
        known = [word if word in WORDS else "UNK" for word in words]
        assert len(ids) == len(words) and vocabulary.decode(ids) == " ".join(known)
        assert [i == vocabulary.unk_id for i in ids] == [word not in WORDS for word in words]
        assert not {0, 2, 3} & set(ids)
        (batched,), (sampled,) = (
            vocabulary.encode_batch([text]),
            vocabulary.encode_sampled([text], 7, 0.1),
        )
        assert batched.dtype == sampled.dtype == np.int32
        assert batched.tolist() == sampled.tolist() == ids
        pieces = vocabulary.encode_with_spans(text)
        assert pieces == Pieces(ids, words, pieces.spans)
        assert [text[start:end] for start, end in pieces.spans] == words
        decoded = vocabulary.decode_with_spans(ids)
        assert [decoded.text[start:end] for start, end in decoded.spans] == known
    assert vocabulary.encode_batch([]) == []


def test_special_pieces_have_empty_places_and_eos_ends(vocabulary):
    a, b = vocabulary.encode("a b")
    decoded = vocabulary.decode_with_spans(np.array([2, a, 0, b, 3, b, 1], np.int32))
    assert decoded.text == "a b" == vocabulary.decode([2, a, 0, b, 3, b])
    assert decoded.spans == [(0, 0), (0, 1), (2, 2), (2, 3), (3, 3), (3, 3), (3, 3)]
    assert decoded.pieces == ["<s>", "a", "<pad>", "b", "</s>", "b", "UNK"]
    assert vocabulary.decode([3, a]) == vocabulary.decode([]) == ""
    assert vocabulary.begins_word.tolist() == [False, True, False, False] + [True] * 9


def test_what_is_written_for_unknown_words(vocabulary):
    ids = [*vocabulary.encode("new a other"), 3, 1]
    decoded = vocabulary.decode_with_spans(ids, ["X", "YZ"])
    assert decoded.text == "X a YZ" == vocabulary.decode(ids, ["X", "YZ"])
    assert decoded.spans == [(0, 1), (2, 3), (4, 6), (6, 6), (6, 6)]


def test_moses_words_and_their_places():
    lines = ["Don't sing (yet).", "A cat, a dog."]
    vocabulary = make(lines, splitter=Moses("en"))
    loaded = WordVocabulary(vocabulary.content)
    text = "The  cat, don't (sing)."
    pieces = loaded.encode_with_spans(text)
    assert pieces.pieces == ["The", "cat", ",", "don", "'t", "(", "sing", ")", "."]
    assert [text[start:end] for start, end in pieces.spans] == pieces.pieces
    assert loaded.decode(pieces.ids) == "UNK cat, UNK't (sing)."
    decoded = loaded.decode_with_spans([*pieces.ids, 3], ["Il", "can"])
    assert decoded.text == "Il cat, can't (sing)."
    assert [decoded.text[start:end] for start, end in decoded.spans[:5]] == [
        "Il",
        "cat",
        ",",
        "can",
        "'t",
    ]
    for line in lines:
        assert loaded.decode(loaded.encode(line)) == line


def test_an_unknown_word_is_one_word_to_a_scorer(vocabulary):
    text = vocabulary.decode(vocabulary.encode("a new word, b"))
    assert text == "a UNK UNK b" == " ".join(Moses("en").words(text)) == Tokenizer13a()(text)


def test_files(tmp_path, vocabulary):
    vocabulary.save(tmp_path / "deep" / "joint.words")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["joint.words"]
    loaded = WordVocabulary.from_file(tmp_path / "deep" / "joint.words")
    assert loaded.fingerprint == vocabulary.fingerprint != make(LINES, 3).fingerprint
    assert loaded.encode(LINES[0]) == vocabulary.encode(LINES[0])
    with pytest.raises(DataError, match=r"gone\.words cannot be read: No such file"):
        WordVocabulary.from_file(tmp_path / "gone.words")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is no list of words: wanted 'words'"),
        ("words\t2\t9\tspaces\t\na\t2\nb\t1\n", "is no list of words"),
        (b"words\t1\t9\tnone\t\n\xff\t2\n", "wanted UTF-8; got byte 0xFF at byte 17"),
        ("words\t2\t9\tnone\t\na\t2\n", "is damaged: wanted 2 words; got 1"),
        ("words\t2\t9\tnone\t\na\t2\nb\t1", "got 2, the last one cut off"),
        ("words\t2\t9\tnone\t\na\t2\nb\t1\nc\t1\n", "wanted 2 words; got 3"),
        ("words\t2\t9\tnone\t\na\t2\nb 1\n", "a tab and its count in line 3; got 'b 1'"),
        ("words\t2\t9\tnone\t\na\t2\nb\t0\n", "in line 3"),
        ("words\t2\t9\tnone\t\na\t2\nb\t3\n", "line 3, 'b', should stand above"),
        ("words\t2\t9\tnone\t\nb\t2\na\t2\n", "line 3, 'a', should stand above"),
        ("words\t2\t9\tnone\t\na\t2\na\t1\n", "'a' is there twice"),
        ("words\t2\t2\tnone\t\na\t2\nb\t1\n", "wanted 1 to 2 running words; got 3"),
        ("words\t0\t2\tnone\t\n", "wanted 1 to 2 running words; got 0"),
    ],
)
def test_damaged_files_are_named_in_one_line(content, says):
    content = content if isinstance(content, bytes) else content.encode()
    with pytest.raises(DataError) as caught:
        WordVocabulary(content, "runs/x/joint.words")
    message = str(caught.value)
    assert message.startswith("runs/x/joint.words") and says in message and "\n" not in message


def test_texts_without_words():
    with pytest.raises(ConfigError, match="the training text of the source side has no words"):
        count_words(["", " "], 9, WhiteSpace(), "source")


def test_a_check_that_raises_ends_the_counting():
    with pytest.raises(KeyboardInterrupt):
        count_words(iter(lambda: "a", None), 9, WhiteSpace(), check=_interrupted)


def _interrupted():
    raise KeyboardInterrupt
