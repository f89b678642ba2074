"""The vocabularies of a run: made, written, read again, and refused where they are not whole."""

import pytest
import sentencepiece

from nmt.config.schema import VocabularyConfig
from nmt.data.vocabularies import has_vocabularies, load_vocabularies, train_vocabularies
from nmt.errors import ConfigError, DataError

NOUNS = ["cat", "dog", "house", "river", "garden", "tree", "letter", "window"]
SOURCE = [f"The {a} sees the {b} , and {len(a)} more ." for a in NOUNS for b in NOUNS]
TARGET = [f"Être {b} à l' été {a} , ça n' est pas {len(b)} ." for a in NOUNS for b in NOUNS]


@pytest.mark.parametrize("kind", ["bpe", "word"])
@pytest.mark.parametrize("joint", [True, False])
def test_vocabularies_of_a_run(tmp_path, joint, kind):
    folder = tmp_path / "vocabulary"
    assert not has_vocabularies(folder)
    config = VocabularyConfig(kind=kind, size=70, joint=joint)
    trained = train_vocabularies(SOURCE, TARGET, config, folder)
    suffix = ".words" if kind == "word" else ".model"
    names = {f"{side}{suffix}" for side in (["joint"] if joint else ["source", "target"])}
    assert {path.name for path in folder.iterdir()} == names and has_vocabularies(folder)
    loaded = load_vocabularies(folder)
    assert loaded.fingerprint == trained.fingerprint
    assert (loaded.source is loaded.target) == joint
    assert loaded.target.decode(loaded.target.encode(TARGET[5])) == TARGET[5]


@pytest.mark.parametrize("joint", [True, False])
def test_nothing_is_left_of_a_vocabulary_that_cannot_be_trained(tmp_path, joint):
    config = VocabularyConfig(size=5000, joint=joint)
    with pytest.raises(ConfigError, match=r"at most \d+; got 5000"):
        train_vocabularies(SOURCE, TARGET, config, tmp_path / "vocabulary")
    assert not list(tmp_path.rglob("*.model*"))


def test_a_sample_is_trained_on(tmp_path):
    odd = [line if i % 2 == 0 else "Q" * 9 for i, line in enumerate(SOURCE)]
    config = VocabularyConfig(size=50, joint=False, max_sentences=len(SOURCE) // 2)
    vocabularies = train_vocabularies(odd, odd, config, tmp_path)
    assert vocabularies.source.encode("Q").count(vocabularies.source.unk_id) == 1


@pytest.mark.parametrize("most, of_each_side", [(1, 1), (2, 1), (5, 2), (8, 4)])
def test_a_joint_vocabulary_is_made_of_as_many_sentences_of_either_side(
    tmp_path, most, of_each_side
):
    """Each sentence is a word of its own; half of the most that may be taken, but at least one."""
    source, target = ([f"{side}{line}" for line in "abcdefgh"] for side in ("s", "t"))
    config = VocabularyConfig(kind="word", joint=True, max_sentences=most)
    both = train_vocabularies(source, target, config, tmp_path).source
    for lines in (source, target):
        assert sum(both.unk_id not in both.encode(line) for line in lines) == of_each_side


def test_sides_that_disagree_on_the_special_pieces(tmp_path):
    train_vocabularies(SOURCE, TARGET, VocabularyConfig(size=70, joint=False), tmp_path)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SOURCE),
        model_prefix=str(tmp_path / "target"),
        vocab_size=30,
        pad_id=3,
        minloglevel=2,
    )
    with pytest.raises(DataError, match=r"must agree.*\(0, 2, 3\) and \(3, 1, 2\)"):
        load_vocabularies(tmp_path)


def test_missing_vocabularies(tmp_path):
    train_vocabularies(SOURCE, TARGET, VocabularyConfig(size=70, joint=False), tmp_path)
    (tmp_path / "target.model").unlink()
    assert not has_vocabularies(tmp_path)
    with pytest.raises(DataError, match="wanted joint.model, or source.model and target.model"):
        load_vocabularies(tmp_path)


def test_words_of_each_side_are_told_by_the_rules_of_its_language(tmp_path):
    config = VocabularyConfig(kind="word", tokenize="moses", joint=False)
    lines = ["l'été don't"] * 2
    train_vocabularies(lines, lines, config, tmp_path, languages=("en", "fr"))
    sides = load_vocabularies(tmp_path)
    assert sides.source.encode_with_spans(lines[0]).pieces == ["l", "'été", "don", "'t"]
    assert sides.target.encode_with_spans(lines[0]).pieces == ["l'", "été", "don'", "t"]
    assert sides.source.fingerprint != sides.target.fingerprint


def test_a_vocabulary_that_lacks_no_word_is_warned_of(tmp_path, caplog):
    config = VocabularyConfig(kind="word", joint=False, size=20)
    size = len(set(" ".join(SOURCE).split()))
    assert size < 20 < len(set(" ".join(TARGET).split()))
    train_vocabularies(SOURCE, TARGET, config, tmp_path)
    (record,) = caplog.records
    assert "of the source side is in the vocabulary, so" in record.message
    assert f"vocabulary.size below {size} leaves" in record.message


def test_a_damaged_list_of_words_is_named(tmp_path):
    train_vocabularies(SOURCE, TARGET, VocabularyConfig(kind="word", joint=False), tmp_path)
    file = tmp_path / "target.words"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"target\.words is damaged: wanted \d+ words; got \d+"):
        load_vocabularies(tmp_path)
