"""The vocabularies of a run: made of its text, written into it, read again.

Their files are joint.model, or source.model and target.model; of lists of words, .words.
"""

import itertools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from nmt.config.vocabulary_schema import VocabularyConfig
from nmt.data.progress import Check, no_check
from nmt.data.sentencepiece_training import train_model
from nmt.data.sentencepiece_vocabulary import SentencePieceVocabulary
from nmt.data.splits import sample
from nmt.data.vocabulary import Vocabularies, Vocabulary
from nmt.data.word_splitting import make_splitter
from nmt.data.word_vocabulary import WordVocabulary, count_words
from nmt.errors import DataError

logger = logging.getLogger(__name__)
_KINDS: dict[str, type[SentencePieceVocabulary] | type[WordVocabulary]] = {
    ".model": SentencePieceVocabulary,
    ".words": WordVocabulary,
}


def train_vocabularies(
    source_lines: Sequence[str],
    target_lines: Sequence[str],
    config: VocabularyConfig,
    folder: Path,
    check: Check = no_check,
    *,
    languages: tuple[str, str] = ("", ""),
) -> Vocabularies:
    """Trains the vocabularies of a run and writes them.

    Args:
      source_lines, target_lines: the training text; `config.max_sentences` of it are taken.
      config: kind, size, and whether one vocabulary serves both sides.
      folder: an empty one, or none yet; gets the files once all are trained.
      check: called several times a second; what it raises ends the training.
      languages: of the two sides, by whose rules Moses tells words.
    Returns:
      the vocabularies.
    Raises:
      ConfigError: the size or the symbols do not fit the text; nothing is written.
    """
    if config.joint:
        size = config.max_sentences // 2 or 1
        lines = itertools.chain(sample(source_lines, size), sample(target_lines, size))
        trained = {"joint": _train(lines, config, "", "", check)}
    else:
        sides = zip(("source", "target"), (source_lines, target_lines), languages, strict=True)
        trained = {
            side: _train(sample(lines, config.max_sentences), config, language, side, check)
            for side, lines, language in sides
        }
    for side, vocabulary in trained.items():
        vocabulary.save(Path(folder) / f"{side}{'.words' if config.kind == 'word' else '.model'}")
    return load_vocabularies(folder)


def _train(
    lines: Iterable[str], config: VocabularyConfig, language: str, side: str, check: Check
) -> Vocabulary:
    if config.kind != "word":
        return SentencePieceVocabulary(train_model(lines, config, side, check))
    splitter = make_splitter(config.tokenize, language)
    vocabulary = WordVocabulary(count_words(lines, config.size, splitter, side, check))
    if vocabulary.knows_all:
        logger.warning(
            "every word of the training text%s is in the vocabulary, so the model learns nothing "
            "of unknown ones: a vocabulary.size below %d leaves the rarest words out",
            f" of the {side} side" if side else "",
            vocabulary.num_words,
        )
    return vocabulary


def load_vocabularies(folder: Path) -> Vocabularies:
    """Reads the vocabularies of a run; DataError where they are missing or damaged."""
    files = _files(folder)
    if not files:
        raise DataError(
            f"no vocabulary in {folder}: wanted joint.model, or source.model and target.model, or "
            "the same of words: joint.words, or source.words and target.words"
        )
    sides = [_KINDS[file.suffix].from_file(file) for file in files]
    source, target = sides[0], sides[-1]
    if source.special != target.special:
        names = " and ".join(file.name for file in files)
        raise DataError(
            f"{names} in {folder} must agree on the ids of pad, bos and eos; "
            f"they have {tuple(source.special)} and {tuple(target.special)}"
        )
    return Vocabularies(source, target)


def has_vocabularies(folder: Path) -> bool:
    """Whether a folder holds a run's vocabularies, complete."""
    return bool(_files(folder))


def _files(folder: Path) -> list[Path]:
    """The file of both sides, or those of source and target; none where they are not complete."""
    for suffix, sides in itertools.product(_KINDS, (("joint",), ("source", "target"))):
        files = [Path(folder) / f"{side}{suffix}" for side in sides]
        if all(file.exists() for file in files):
            return files
    return []
