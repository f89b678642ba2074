import pytest
from benchmarking.corpus import (
    MIN_WORDS,
    SOURCE,
    TARGET,
    TEXTS,
    TRAIN,
    choose_corpus,
    generated_corpus,
    generated_pairs,
    lexicons,
)

from nmt.errors import DataError

TEXT = TEXTS["multi30k"]._replace(num_train=50, lexicon=3000)


def test_generated_text_is_the_same_every_time_and_other_for_another_seed():
    first, again, other = (generated_pairs(TEXT, 20, seed) for seed in (0, 0, 1))
    assert first == again
    assert not set(first) & set(other)


def test_words_of_the_lexicon_are_all_different():
    for side in lexicons(10_000):
        assert len(set(side)) == 10_000


def test_sentences_are_as_long_as_asked_and_translated_word_by_word():
    translation = dict(zip(*lexicons(TEXT.lexicon), strict=True))
    pairs = generated_pairs(TEXT, 2000, 0)
    words = [len(source.split()) for source, _ in pairs]
    assert min(words) >= MIN_WORDS
    # Within four standard errors of the mean.
    error = TEXT.spread * TEXT.mean_words / len(pairs) ** 0.5
    assert sum(words) / len(pairs) == pytest.approx(TEXT.mean_words, abs=4 * error)
    for source, target in pairs:
        letters = "".join(translation[word] for word in source.split())
        assert sorted(letters) == sorted(target.replace(" ", ""))


def test_a_corpus_is_generated_once_and_read_as_any_other(tmp_path):
    corpus = generated_corpus(TEXT, tmp_path / "text")
    written = corpus.file(TRAIN, SOURCE).read_text().splitlines()
    assert written == [source for source, _ in generated_pairs(TEXT, 50, 0)]
    assert [file.name for file in tmp_path.iterdir()] == ["text"]  # and nothing half-made
    assert generated_corpus(TEXT, tmp_path / "text").fingerprint == corpus.fingerprint
    assert choose_corpus(str(tmp_path / "text"), "multi30k", tmp_path) == corpus

    with corpus.file(TRAIN, TARGET).open("a") as file:
        file.write("one more\n")
    before = corpus.fingerprint
    corpus.file(TRAIN, TARGET).write_text("another text\n")
    assert corpus.fingerprint != before


def test_a_folder_without_a_split_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has no train\.en"):
        choose_corpus(str(tmp_path), "multi30k", tmp_path)
