import re
import subprocess
import sys
import time

import pytest
import sentencepiece

from nmt.config.schema import VocabularyConfig
from nmt.data.sentencepiece_training import train_model
from nmt.errors import ConfigError

LINES = [
    f"the {adjective} {noun}s {verb}ing ."
    for adjective in ("red", "blue", "old")
    for noun in ("cat", "dog", "owl")
    for verb in ("sleep", "walk", "read", "sing")
]


def size_of(model: bytes) -> int:
    return sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size()


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_characters_beyond_the_coverage_are_unknown(kind):
    lines = ["ab abab baba bbaa aabb"] * 30 + ["aé"]
    for coverage, is_known in ((1.0, True), (0.98, False)):
        config = VocabularyConfig(kind=kind, size=8, character_coverage=coverage)
        processor = sentencepiece.SentencePieceProcessor(model_proto=train_model(lines, config))
        assert (processor.unk_id() not in processor.encode("aé")) == is_known
        assert processor.unk_id() not in processor.encode("ab")


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("byte_fallback", [False, True])
def test_a_size_too_large_names_the_largest_legal_one(kind, byte_fallback):
    def train(size):
        config = VocabularyConfig(kind=kind, size=size, byte_fallback=byte_fallback)
        return train_model(LINES, config, "source")

    with pytest.raises(ConfigError, match="vocabulary.size is too large.*source side") as error:
        train(5000)
    largest = int(re.search(r"at most (\d+); got 5000", str(error.value))[1])
    assert size_of(train(largest)) == largest
    with pytest.raises(ConfigError, match=f"at most {largest}; got {largest + 1}"):
        train(largest + 1)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_check_that_raises_ends_the_training(kind):
    calls, taken = [], []

    def check():
        calls.append(len(taken))
        if len(calls) == 3:
            raise KeyboardInterrupt

    def lines():
        for i in range(10**9):  # without the check it would not end
            taken.append(i)
            time.sleep(0.001)
            yield LINES[i % len(LINES)]

    with pytest.raises(KeyboardInterrupt):
        train_model(lines(), VocabularyConfig(kind=kind, size=28), check=check)
    taken_then = len(taken)
    time.sleep(0.1)
    assert len(taken) == taken_then and len(calls) == 3


def test_an_interrupted_training_lets_the_process_end():
    program = (
        "import sys\n"
        "from nmt.config.schema import VocabularyConfig\n"
        "from nmt.data.sentencepiece_training import train_model\n"
        "lines = (f'{i} {i * i} {i ** 3}' for i in range(10**7))\n"
        "train_model(lines, VocabularyConfig(size=60), check=lambda: sys.exit(7))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (7, b"")


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_word_as_long_as_a_book_changes_nothing_and_costs_nothing(kind):
    config = VocabularyConfig(kind=kind, size=28)
    long = ["a" * 60_000, LINES[0] + " " + "e\u0301" * 20_000, "é" * 200_000]
    expected = train_model([*LINES, LINES[0]], config)
    start = time.process_time()
    assert train_model([*LINES, *long], config) == expected
    assert time.process_time() - start < 2  # minutes, in unigram, with these words


@pytest.mark.parametrize("byte_fallback", [False, True])
def test_a_size_too_small_names_the_smallest_legal_one(byte_fallback):
    def train(size):
        return train_model(LINES, VocabularyConfig(size=size, byte_fallback=byte_fallback))

    with pytest.raises(ConfigError, match="vocabulary.size is too small") as error:
        train(8)
    smallest = int(re.search(r"at least (\d+), or", str(error.value))[1])
    assert size_of(train(smallest)) == smallest
    with pytest.raises(ConfigError, match=f"at least {smallest}"):
        train(smallest - 1)


@pytest.mark.parametrize(
    ("symbols", "message"),
    [
        (("<s>",), "'<s>' is a special piece"),
        (("<a>", "<a>"), "'<a>' is named twice"),
        (("a b",), "without white space; got 'a b'"),
        (("",), "without white space; got ''"),
    ],
)
def test_symbols_that_cannot_be(symbols, message):
    with pytest.raises(ConfigError, match=message):
        train_model(LINES, VocabularyConfig(size=60, symbols=symbols))


@pytest.mark.parametrize("lines", [[], ["", " "]])
def test_no_text(lines):
    with pytest.raises(ConfigError, match="the training text is empty"):
        train_model(lines, VocabularyConfig(size=60))


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_training_repeats_byte_by_byte_and_silently(kind, capfd):
    models = [train_model(LINES, VocabularyConfig(kind=kind, size=28)) for _ in range(2)]
    assert models[0] == models[1]
    assert capfd.readouterr() == ("", "")


def test_white_space_of_the_text_does_not_matter():
    config = VocabularyConfig(size=50)
    spaced = [" \t" + line.replace(" ", "\u3000 ") + "\n" for line in LINES]
    assert train_model(spaced, config) == train_model(LINES, config)
