"""Test sets translated and scored, and RUN/evaluations, where scores and translations are kept.

A file is SPLIT.STEP.DIGEST.json, with a digest of the text, the search settings and, of an average,
its steps. Of a run of several seeds it is SPLIT.STEP.seedK.DIGEST.json, or .ensemble.
"""

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nmt.commands.models import FoundCheckpoint
from nmt.commands.progress import progress
from nmt.config.schema import Config, DataConfig, SearchConfig
from nmt.data.text_files import text_if_whole
from nmt.errors import NmtError
from nmt.runs.directory import RunDirectory, package_versions, write_atomically

if TYPE_CHECKING:
    from nmt.analysis.by_length import LengthBucket
    from nmt.analysis.scores import Scores
    from nmt.analysis.unknown_words import UnknownWords
    from nmt.data.splits import Split
    from nmt.data.vocabulary import Vocabularies
    from nmt.decoding.translation import Translation
    from nmt.decoding.translator import Translator

logger = logging.getLogger(__name__)
PACKAGE = Path(__file__).parents[1]
# Folders of it on which translations depend.
TRANSLATING = ("config", "data", "devices", "models", "runs", "decoding")
_SCORED_FROM = (
    "hypotheses",
    "references",
    "checkpoint_fingerprint",  # for its vocabulary
    "source_language",
    "target_language",
    "tokenized",
)
CHOICE = "alignment_for_unknown"  # the content of alignment.json, where words replace unknown ones
_MORE = ("by_length", "unknown", "without_unknown")  # what a record has where it was asked for


@dataclass(frozen=True)
class Evaluation:
    """The scores of one test set.

    Attributes:
      split: the test set.
      checkpoint: whose translations they are.
      config: with the overrides of this call.
      hypotheses: translations of split.source.
      precision: the compute type in which they were found.
      scores: of the hypotheses against split.target.
      by_length: scores in buckets of source length, where they were asked for.
      unknown: the unknown words of sources and references, where they were counted.
      without_unknown: scores of the sentences that have none, where they were asked for and there
        are any.
    """

    split: "Split"
    checkpoint: FoundCheckpoint
    config: Config
    hypotheses: list[str]
    precision: str
    scores: "Scores"
    by_length: "list[LengthBucket] | None" = None
    unknown: "UnknownWords | None" = None
    without_unknown: "Scores | None" = None

    def to_dict(self) -> dict:
        """The scores, and all that they depend on, ready for JSON."""
        record = {
            **self.scores.to_dict(),
            "split": self.split.name,
            "checkpoint": self.checkpoint.step,
            "averaged": list(self.checkpoint.averaged),
            "checkpoint_fingerprint": self.checkpoint.fingerprint,
            **({} if self.checkpoint.seed is None else {"seed": self.checkpoint.seed}),
            "fingerprint": self.split.fingerprint,
            "source_language": self.config.data.source_language,
            "target_language": self.config.data.target_language,
            "tokenized": self.config.data.tokenized,
            "search": asdict(self.config.search),
            "precision": self.precision,
            "code": code_fingerprint(PACKAGE),
        }
        if self.by_length is not None:
            record["by_length"] = [bucket.to_dict() for bucket in self.by_length]
        if self.unknown is not None:
            record["unknown"] = self.unknown.to_dict()
        if self.without_unknown is not None:
            record["without_unknown"] = self.without_unknown.to_dict()
        return record


def translate_split(
    translator: "Translator", split: "Split", config: Config, *, align: bool = False
) -> list["Translation"]:
    """Translates a test set; with alignments, of which a sampled translation has but one chance."""
    with progress(len(split)) as advance:
        return translator.translate(
            split.source, align=align, search=config.search, progress=advance
        )


def scored(
    hypotheses: list[str],
    split: "Split",
    checkpoint: FoundCheckpoint,
    config: Config,
    *,
    precision: str,
    edges: Sequence[int] | None,
) -> Evaluation:
    """Scores the translations of a test set; with edges, in buckets of source length too."""
    from nmt.analysis.by_length import scores_by_length
    from nmt.analysis.scores import score

    options = {
        "target_language": config.data.target_language,
        "tokenized": config.data.tokenized,
    }
    scores = score(hypotheses, split.target, **options)
    by_length = None
    if edges is not None:
        lengths = source_lengths(split, config.data)
        by_length = scores_by_length(lengths, hypotheses, split.target, edges, **options)
    return Evaluation(split, checkpoint, config, hypotheses, precision, scores, by_length)


def source_lengths(split: "Split", data: DataConfig) -> list[int]:
    """How long each source is, in what `nmt.commands.tables.length_unit` says."""
    from nmt.data.cleaning import count_words

    language, tokenized = data.source_language, data.tokenized
    return [count_words(line, language, tokenized=tokenized) for line in split.source]


def with_unknown(
    evaluation: Evaluation, vocabularies: "Vocabularies", *, is_scored: bool
) -> Evaluation:
    """The evaluation with the unknown words counted, and the sentences without any scored too."""
    from nmt.analysis.unknown_words import score_without_unknown
    from nmt.data.unknown_words import count_unknown

    split, data = evaluation.split, evaluation.config.data
    counts = count_unknown(split.source, split.target, vocabularies, nfc=data.cleaning.nfc)
    scores = None
    if is_scored:
        scores = score_without_unknown(
            counts,
            evaluation.hypotheses,
            split.target,
            target_language=data.target_language,
            tokenized=data.tokenized,
        )
    return replace(evaluation, unknown=counts.summary, without_unknown=scores)


def evaluation_file(run: RunDirectory, evaluation: Evaluation) -> Path:
    """Where an evaluation has its place."""
    return _place(run, evaluation.split, evaluation.checkpoint, evaluation.config.search)


def _choice_for_unknown(run: RunDirectory, search: SearchConfig) -> str | None:
    """The layers and heads that were chosen for a run, where translations depend on them."""
    return text_if_whole(run.alignment_file) if search.unknown == "replace" else None


def keep(evaluation: Evaluation, run: RunDirectory) -> None:
    """Writes the scores into the run; a run that cannot be written is only warned of.

    What an earlier evaluation of the same translations was asked for in addition stays there.
    """
    split = evaluation.split
    texts = {
        "sources": list(split.source),
        "hypotheses": evaluation.hypotheses,
        "references": list(split.target),
    }
    choice = _choice_for_unknown(run, evaluation.config.search)
    record = evaluation.to_dict() | ({} if choice is None else {CHOICE: choice}) | texts
    path = evaluation_file(run, evaluation)
    before = _read(path)
    if all(before.get(key) == record[key] for key in _SCORED_FROM):
        record = {key: before[key] for key in _MORE if key in before} | record
    try:
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    except (OSError, NmtError) as error:
        logger.warning("the scores of %s are not kept: %s", split.name, error)


class Kept(NamedTuple):
    """Translations that were kept.

    Attributes:
      hypotheses: the translations.
      precision: the compute type in which they were found.
      path: of the file that has them.
    """

    hypotheses: list[str]
    precision: str
    path: Path


def kept_hypotheses(
    run: RunDirectory, split: "Split", checkpoint: FoundCheckpoint, search: SearchConfig
) -> Kept | None:
    """The translations of a test set as they were kept.

    Returns:
      None where there are none of this very text by this very checkpoint, search and code, or the
      file is damaged. Whether somebody changed a translation in it is not checked.
    """
    path = _place(run, split, checkpoint, search)
    record = _read(path)
    made_from = {
        "sources": list(split.source),
        "search": asdict(search),
        "checkpoint_fingerprint": checkpoint.fingerprint,
        "code": code_fingerprint(PACKAGE),
        CHOICE: _choice_for_unknown(run, search),
    }
    if any(record.get(key) != value for key, value in made_from.items()):
        return None
    hypotheses, precision = record.get("hypotheses"), record.get("precision")
    whole = isinstance(hypotheses, list) and len(hypotheses) == len(split)
    if not whole or not all(isinstance(text, str) for text in [*hypotheses, precision]):
        return None
    return Kept(hypotheses, precision, path)


def _read(path: Path) -> dict:
    """What was kept in a file; nothing where there is none, or none that could be written again."""
    try:
        record = json.loads(path.read_bytes())
        json.dumps(record, ensure_ascii=False).encode()  # JSON can spell half of a surrogate pair
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


@cache  # as the code was when the process read it
def code_fingerprint(package: Path, folders: tuple[str, ...] = TRANSLATING) -> str:
    """A digest of the code in some folders, by path and content, and of the libraries."""
    digest = hashlib.sha256(json.dumps(package_versions()).encode())
    for folder in folders:
        for path in sorted((package / folder).rglob("*.py")):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(package).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()[:16]


def _place(
    run: RunDirectory, split: "Split", checkpoint: FoundCheckpoint, search: SearchConfig
) -> Path:
    seed = checkpoint.seed
    settings = [split.fingerprint, asdict(search), checkpoint.averaged]
    if seed is not None:  # a checkpoint then has the best weights of each seed beside the last
        settings += [seed, checkpoint.item]
    digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:8]
    model = "" if seed is None else f".seed{seed}" if isinstance(seed, int) else f".{seed}"
    return run.evaluations / f"{file_name(split)}.{checkpoint.step}{model}.{digest}.json"


def file_name(split: "Split") -> str:
    """The split's name without what a file name should not have, such as 'train[:1%]' has."""
    return re.sub(r"[^\w.-]+", "_", split.name).lstrip(".") or "split"
