"""The section vocabulary of the config: SentencePiece, or a list of words."""

from dataclasses import dataclass
from typing import Literal

from nmt.config.checks import at_least
from nmt.errors import ConfigError

LEAST_COVERAGE = 0.98  # that SentencePiece takes


@dataclass(frozen=True, kw_only=True)
class VocabularyConfig:
    """Vocabularies, made by `nmt train` when the run has none: of SentencePiece, or a word list.

    A word list has the most frequent words; every other word is the unknown piece.
    """

    kind: Literal["bpe", "unigram", "word"] = "bpe"
    joint: bool = True  # one vocabulary for both languages
    # Pieces of SentencePiece, the four special ones counted; or words at most, those four not
    # counted, which the paper's 30,000 are not either. Of each side when not joint.
    size: int = 8000
    # Where words end: at white space alone, or as Moses has it, by the rules of the two languages,
    # and translations are put together again
    tokenize: Literal["none", "moses"] = "none"
    character_coverage: float = 1.0
    byte_fallback: bool = False  # spell unknown characters in bytes
    symbols: tuple[str, ...] = ()  # never split
    max_sentences: int = 1_000_000  # train on a sample of so many lines
    # Subword sampling in training; None: off. For unigram the smoothing alpha of Kudo (2018):
    # the smaller, the more random. For BPE the probability that a merge is dropped (Provilkov et
    # al. 2020): the larger, the more random.
    sampling: float | None = None

    def __post_init__(self):
        at_least("vocabulary", 8, size=self.size)
        at_least("vocabulary", 1, max_sentences=self.max_sentences)
        if not LEAST_COVERAGE <= self.character_coverage <= 1:
            raise ConfigError(
                f"vocabulary.character_coverage must be from {LEAST_COVERAGE} to 1; "
                f"got {self.character_coverage}"
            )
        if self.sampling is not None and not 0 < self.sampling <= 1:
            raise ConfigError(
                "vocabulary.sampling must be above 0 and at most 1, or null for none; "
                f"got {self.sampling}"
            )
        if self.sampling is not None and self.kind == "unigram" and self.symbols:
            raise ConfigError(
                "vocabulary.sampling would split vocabulary.symbols where vocabulary.kind is "
                "unigram: leave one of the two out, or use bpe"
            )
        if self.kind == "word":
            self._check_words()
        elif self.tokenize != "none":
            raise ConfigError(
                f"vocabulary.tokenize {self.tokenize} needs vocabulary.kind word; got {self.kind}"
            )

    def _check_words(self) -> None:
        not_for_words = {
            "character_coverage": self.character_coverage != 1,
            "byte_fallback": self.byte_fallback,
            "symbols": bool(self.symbols),
            "sampling": self.sampling is not None,
        }
        for name in (name for name, is_given in not_for_words.items() if is_given):
            raise ConfigError(
                f"vocabulary.{name} is of SentencePiece and means nothing where vocabulary.kind is "
                "word; remove it"
            )
        if self.tokenize == "moses" and self.joint:
            raise ConfigError(
                "vocabulary.tokenize moses needs vocabulary.joint false, as its rules are those of "
                "one language; got true"
            )
