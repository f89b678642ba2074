"""The corpus that a config names: cleaned training text on disk, raw validation and test pairs.

The cleaned text is kept in a folder of the run, with a note of what it was made from:

    cleaned/source_values.npy ...   the text (see kept_text.py)
    cleaned/made_from.json          the settings, the state of the files that were read, the
                                    fingerprints of every split, and the report of the cleaning

A later start takes it as it is where the same settings would read the same text. Whether the
training text is the same is told by the size and the time of change of its files, or by the commit
of a Hub dataset, and where these differ, or there are none, by reading it once more for its
fingerprint. So what changes a file and keeps both its size and its time is not seen. Validation
and test splits are read at every start.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nmt.analysis.whole_file import write_whole
from nmt.config.schema import DataConfig
from nmt.data.cleaning import Cleaner
from nmt.data.cleaning_report import CleaningReport
from nmt.data.kept_text import SplitWriter, load_kept
from nmt.data.progress import Check, counting, no_check
from nmt.data.readers import open_split, read_split
from nmt.data.splits import Fingerprint, Split
from nmt.data.stages import not_prepared, stage
from nmt.data.streams import SplitStream, State
from nmt.errors import DataError

__all__ = ["Corpus", "Split", "load_corpus", "load_split"]

logger = logging.getLogger(__name__)
MADE_FROM_FILE = "made_from.json"
# What of the config decides which text is read, and what is left of it. Where it is read is not
# among it: a corpus that moved is the same.
_SETTINGS = (
    "source_language",
    "target_language",
    "train",
    "validation",
    "test",
    "links",
    "max_examples",
)

Fingerprints = dict[str, str]  # by split
Accept = Callable[[Mapping[str, str]], None]  # raises where these are not what they should be


@dataclass(frozen=True)
class Corpus:
    """What training reads of a corpus.

    Attributes:
      train: cleaned, on disk.
      validation: as it was read.
      fingerprints: of every split as it was read, and of the cleaned training pairs.
      report: what cleaning did to the training pairs: `CleaningReport.to_dict()`.
    """

    train: Split
    validation: Split
    fingerprints: Fingerprints
    report: dict[str, Any]

    @property
    def cleaned_fingerprint(self) -> str:
        """Of the cleaned training pairs."""
        return self.fingerprints[_cleaned(self.train.name)]


@dataclass(frozen=True)
class _MadeFrom:
    """What a cleaned text was made from, and what came out; it is kept beside it as JSON."""

    settings: dict[str, Any]
    state: State | None  # of the training split, see `SplitStream`
    fingerprints: Fingerprints
    report: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "_MadeFrom | None":
        """The note in a folder; None where there is none that can be read."""
        try:
            note = cls(**json.loads((folder / MADE_FROM_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        is_whole = isinstance(note.fingerprints, dict) and isinstance(note.report, dict)
        return note if is_whole else None

    def write(self, folder: Path) -> None:
        """Writes the note, whole or not at all."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        write_whole(folder / MADE_FROM_FILE, f"{text}\n".encode(), "note on the corpus")


def load_corpus(
    config: DataConfig,
    folder: Path,
    *,
    may_write: bool = True,
    accept: Accept = lambda fingerprints: None,
    check: Check = no_check,
) -> Corpus:
    """Opens the cleaned training text in a folder, or reads the corpus and cleans it into there.

    Validation and test pairs are never filtered and their text is never changed.

    Args:
      config: says where the corpus is and how it is cleaned.
      folder: the text is kept in its folder `cleaned`.
      may_write: whether what is missing is made; a process that may not write must find it.
      accept: called with the fingerprints of what was read, before a text takes the place of
        another; what it raises leaves all as it was.
      check: called after each part of the training split; what it raises ends the work.
    Raises:
      DataError: a split cannot be read, or cleaning leaves no training pair.
      RunError: the text is not there, and this process may not write; or it cannot be written.
    """
    held_out = [
        load_split(config, name) for name in dict.fromkeys((config.validation, *config.test))
    ]
    train = _TrainingText(
        config,
        folder / "cleaned",
        open_split(config, config.train, config.max_examples),
        held_out,
        may_write,
        accept,
        check,
    )
    made_from = train.unchanged()
    split = train.opened() if made_from is not None else None
    if made_from is None or split is None:
        made_from = train.clean()
        split = load_kept(train.kept, config.train)
    return Corpus(split, held_out[0], made_from.fingerprints, made_from.report)


def load_split(config: DataConfig, name: str) -> Split:
    """Reads any split of the corpus as it is, never filtered.

    Of the training split no more than `data.max_examples` pairs are read.

    Raises:
      DataError: it cannot be read.
    """
    return read_split(config, name, config.max_examples if name == config.train else None)


@dataclass(frozen=True)
class _TrainingText:
    """The training text that a config names, and its cleaned form in a folder.

    Attributes:
      config: says how it is cleaned.
      kept: the folder of the cleaned text.
      stream: the raw text.
      held_out: validation and test splits.
      may_write, accept, check: see `load_corpus`.
    """

    config: DataConfig
    kept: Path
    stream: SplitStream
    held_out: list[Split]
    may_write: bool
    accept: Accept
    check: Check

    def unchanged(self) -> _MadeFrom | None:
        """What the kept text was made from, if that is what the config names now."""
        made_from, stream = _MadeFrom.read(self.kept), self.stream
        if made_from is None or made_from.settings != _settings(self.config):
            return None
        if not {stream.name, _cleaned(stream.name)} <= made_from.fingerprints.keys():
            return None
        fingerprints = {split.name: split.fingerprint for split in self.held_out}
        if stream.state is None or made_from.state != stream.state:
            fingerprints |= {stream.name: self._fingerprint()}
        if not fingerprints.items() <= made_from.fingerprints.items():
            self.accept(fingerprints)
            return None
        if self.may_write and made_from.state != stream.state:  # the next start need not read it
            replace(made_from, state=stream.state).write(self.kept)
        return made_from

    def _fingerprint(self) -> str:
        fingerprint = Fingerprint()
        with counting("checking that the training text is the same", self.check) as advance:
            for part in self.stream:
                fingerprint.update(part)
                advance(len(part))
        return fingerprint.hexdigest()

    def opened(self) -> Split | None:
        """The kept text; None where it is damaged."""
        try:
            return load_kept(self.kept, self.stream.name)
        except DataError as error:
            logger.warning("%s: the text must be cleaned again", error)
            return None

    def clean(self) -> _MadeFrom:
        """Cleans the text into its folder, in one pass."""
        if not self.may_write:
            raise not_prepared(self.kept)
        config, name = self.config, self.stream.name
        cleaner = Cleaner(
            config.cleaning,
            source_language=config.source_language,
            target_language=config.target_language,
            held_out=self.held_out,
        )
        raw, cleaned = Fingerprint(), Fingerprint()
        with stage(self.kept) as beside:
            with SplitWriter(beside) as writer, counting("cleaning", self.check) as advance:
                for part in self.stream:
                    raw.update(part)
                    left = cleaner.clean(part)
                    cleaned.update(left)
                    writer.append(left)
                    advance(len(part))
            _check_some_left(config, cleaner.report)
            logger.info("%s", cleaner.report)
            fingerprints = {
                name: raw.hexdigest(),
                _cleaned(name): cleaned.hexdigest(),
                **{split.name: split.fingerprint for split in self.held_out},
            }
            self.accept(fingerprints)
            report = cleaner.report.to_dict()
            made_from = _MadeFrom(_settings(config), self.stream.state, fingerprints, report)
            made_from.write(beside)
        return made_from


def _check_some_left(config: DataConfig, report: CleaningReport) -> None:
    if not report.pairs_out:
        worst = max(report.rules, key=lambda rule: rule.num_pairs * rule.removes)
        raise DataError(
            f"cleaning removed all {report.pairs_in} pairs of split {config.train!r}, "
            f"{worst.num_pairs} of them by data.cleaning.{worst.name}; wanted one or more left"
        )


def _cleaned(name: str) -> str:
    """What the fingerprint of a cleaned split is called."""
    return f"{name} (cleaned)"


def _settings(config: DataConfig) -> dict[str, Any]:
    settings = {name: getattr(config, name) for name in _SETTINGS}
    settings |= {"test": list(config.test), "cleaning": asdict(config.cleaning)}
    if config.links is None:  # as it was before there were links
        del settings["links"]
    return settings
