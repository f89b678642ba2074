"""The corpus that a config names: cleaned training pairs, raw validation and test pairs."""

from dataclasses import dataclass

from nmt.config.schema import DataConfig
from nmt.data.cleaning import CleaningReport, clean
from nmt.data.readers import read_split
from nmt.data.splits import Split
from nmt.errors import DataError

__all__ = ["Corpus", "Split", "load_corpus", "load_split"]


@dataclass(frozen=True)
class Corpus:
    """Every split of a corpus.

    Attributes:
      train: cleaned.
      validation: as it was read.
      tests: by name, as they were read.
      report: what cleaning did to the training pairs.
      raw_train_fingerprint: of the training pairs as they were read.
    """

    train: Split
    validation: Split
    tests: dict[str, Split]
    report: CleaningReport
    raw_train_fingerprint: str

    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of every split as it was read, and of the cleaned training pairs."""
        held_out = {
            split.name: split.fingerprint for split in (self.validation, *self.tests.values())
        }
        return {
            self.train.name: self.raw_train_fingerprint,
            f"{self.train.name} (cleaned)": self.train.fingerprint,
            **held_out,
        }


def load_corpus(config: DataConfig) -> Corpus:
    """Reads the training, validation and test splits, and cleans the first.

    Validation and test pairs are never filtered and their text is never changed.

    Raises:
      DataError: a split cannot be read, or cleaning leaves no training pair.
    """
    validation = load_split(config, config.validation)
    tests = {name: load_split(config, name) for name in config.test}
    raw = load_split(config, config.train)
    train, report = clean(
        raw,
        config.cleaning,
        source_language=config.source_language,
        target_language=config.target_language,
        held_out=(validation, *tests.values()),
    )
    if not len(train):
        worst = max(report.rules, key=lambda rule: rule.num_pairs * rule.removes)
        raise DataError(
            f"cleaning removed all {len(raw)} pairs of split {config.train!r}, "
            f"{worst.num_pairs} of them by data.cleaning.{worst.name}; wanted one or more left"
        )
    return Corpus(train, validation, tests, report, raw.fingerprint)


def load_split(config: DataConfig, name: str) -> Split:
    """Reads any split of the corpus as it is, never filtered.

    Of the training split no more than `data.max_examples` pairs are read.

    Raises:
      DataError: it cannot be read.
    """
    return read_split(config, name, config.max_examples if name == config.train else None)
