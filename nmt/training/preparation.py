"""Makes what training needs and a run lacks: the corpus cleaned, vocabularies, pieces.

There are three stages. Each is in its place whole or not at all, and says what it was made from:

    data/cleaned/    the cleaned training text    settings, files and fingerprints of the corpus
    vocabulary/      the trained vocabularies     the cleaned text and the config's vocabulary
    data/train/      the text in pieces           the cleaned text and the vocabularies

and, where another run guides the alignment, a fourth: data/links/ (see links_from_run.py). So a
start after a kill makes what is missing, and one that finds everything writes nothing. Of several
processes the first alone writes. No stage holds the training text in memory.
"""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from nmt.analysis.pharaoh import GoldLinks
from nmt.config.schema import Config
from nmt.data.batching import Batches, EvaluationBatches, choose_shapes
from nmt.data.cleaning import rewritten
from nmt.data.corpus import Corpus, Split, load_corpus
from nmt.data.encoding import (
    EncodedPairs,
    encode_pairs,
    saved_fingerprint,
    within,
    write_encoded,
)
from nmt.data.gold import load_gold
from nmt.data.piece_links import PieceLinks
from nmt.data.progress import Check, no_check
from nmt.data.sampling import SubwordSampler
from nmt.data.stages import not_prepared, settle, stage
from nmt.data.text_files import text_if_whole
from nmt.data.vocabularies import has_vocabularies, load_vocabularies, train_vocabularies
from nmt.data.vocabulary import Vocabularies
from nmt.devices.processes import is_first
from nmt.errors import DataError
from nmt.runs.directory import RunDirectory, write_atomically
from nmt.training.links_from_run import check_alignment_run, links_from_run

logger = logging.getLogger(__name__)
MOST_VALIDATION_SHAPES = 4  # each is compiled for a few batches
MOST_VALIDATION_PIECES = 1024  # of a side for the loss, where training has no more


@dataclass(frozen=True)
class Prepared:
    """A corpus ready for training.

    Attributes:
      vocabularies: of both sides.
      batches: of training, without end.
      validation: the raw split, for BLEU.
      validation_batches: the same encoded, for the loss.
      validation_gold: links of the validation split, for the alignment error rate; None where it
        is not measured.
    """

    vocabularies: Vocabularies
    batches: Batches
    validation: Split
    validation_batches: EvaluationBatches
    validation_gold: list[GoldLinks] | None

    @property
    def vocabulary_sizes(self) -> tuple[int, int]:
        """Pieces of the source and of the target."""
        return len(self.vocabularies.source), len(self.vocabularies.target)


def prepare(config: Config, run: RunDirectory, check: Check = no_check) -> Prepared:
    """Finds in the run, or makes there, all that is derived from the corpus.

    The result is the same each time. Where everything is there nothing is written, but for
    environment.json, which says what the run goes on with. Processes other than the first one
    never write: what they do not find is an error.

    Args:
      config: the whole config.
      run: is held by this process, or has been prepared by the first one, which holds it.
      check: called several times a second in every stage; what it raises ends the preparation,
        and the next one goes on with the stage that was not finished.
    Raises:
      ConfigError: `training.alignment_run` is no run that could guide this one.
      DataError: the corpus cannot be read.
      RunError: the corpus is not the one that the run began with, or the run cannot be written;
        or this is not the first process, and something is not there.
    """
    if is_first():
        for folder in (
            run.data / "cleaned",
            run.vocabulary,
            run.data / "train",
            run.data / "links",
        ):
            settle(folder)
        check_alignment_run(config, run)
    gold = _validation_gold(config) if config.validation.aer else None
    corpus = load_corpus(
        config.data, run.data, may_write=is_first(), accept=run.check_same_corpus, check=check
    )
    run.check_same_corpus(corpus.fingerprints)
    if is_first():
        run.write_environment(corpus.fingerprints)
        report = json.dumps(corpus.report, indent=2, ensure_ascii=False)
        _write_if_other(run.data / "cleaning.json", report + "\n")
    vocabularies = _vocabularies(config, run, corpus, check)
    pairs = _encoded(run, corpus, vocabularies, check)
    links = _piece_links(config, run, corpus, vocabularies, check)
    return Prepared(
        vocabularies,
        _batches(config, pairs, corpus.train, vocabularies, links),
        corpus.validation,
        _validation_batches(config, corpus.validation, vocabularies),
        gold,
    )


def _validation_batches(
    config: Config, validation: Split, vocabularies: Vocabularies
) -> EvaluationBatches:
    """The validation split for the loss: rewritten as training text is, without endless lines.

    A pair far longer than any that is trained on would ask for more memory than training does.
    """
    data = config.data
    sides = [
        [rewritten(text, data.cleaning) for text in side]
        for side in (validation.source, validation.target)
    ]
    pairs = encode_pairs(*sides, vocabularies)
    most = None if data.max_pieces is None else max(data.max_pieces, MOST_VALIDATION_PIECES)
    kept = within(pairs, most)
    if not len(kept):
        raise DataError(
            f"all {len(pairs)} validation pairs have more than {most} pieces on a side; wanted one "
            "or more shorter than that"
        )
    if len(kept) < len(pairs):
        log = logger.warning if is_first() else logger.debug
        log(
            "validation: %d of %d pairs have more than %d pieces and are left out of the loss",
            *(len(pairs) - len(kept), len(pairs), most),
        )
        pairs = encode_pairs(*([side[i] for i in kept] for side in sides), vocabularies)
    return EvaluationBatches(
        pairs,
        vocabularies.target.special,
        batch_pieces=data.batch_pieces,
        num_shapes=min(data.num_shapes, MOST_VALIDATION_SHAPES),
        row_multiple=data.row_multiple,
    )


def _validation_gold(config: Config) -> list[GoldLinks]:
    gold = load_gold(config.data, config.data.validation)
    if gold is None:
        raise DataError(
            f"validation.aer needs links of split {config.data.validation!r}: data.gold or "
            f"data.links names their file or column; got {config.data.gold or config.data.links}"
        )
    return gold


def _piece_links(
    config: Config, run: RunDirectory, corpus: Corpus, vocabularies: Vocabularies, check: Check
) -> PieceLinks | None:
    """What guides the alignment; None where nothing does."""
    training = config.training
    if not training.alignment_weight:
        return None
    if training.alignment_run is not None:
        return PieceLinks(links_from_run(config, run, corpus, check), vocabularies)
    return PieceLinks(corpus.train.links.flat, vocabularies)


def _vocabularies(config: Config, run: RunDirectory, corpus: Corpus, check: Check) -> Vocabularies:
    """The vocabularies of the run; those of a run without a note of their text are its own."""
    note = run.vocabulary / "made_from.txt"
    made_from = f"{corpus.cleaned_fingerprint} {_digest(config)}\n"
    if has_vocabularies(run.vocabulary) and text_if_whole(note) in (None, made_from):
        return load_vocabularies(run.vocabulary)
    if not is_first():
        raise not_prepared(run.vocabulary)
    train, data = corpus.train, config.data
    languages = data.source_language, data.target_language
    with stage(run.vocabulary) as beside:
        train_vocabularies(
            train.source, train.target, config.vocabulary, beside, check, languages=languages
        )
        (beside / note.name).write_text(made_from, encoding="utf-8")
    vocabularies = load_vocabularies(run.vocabulary)
    sides = [side.description for side in dict.fromkeys(vocabularies)]
    logger.info("vocabulary: %s", " and ".join(sides))
    return vocabularies


def _encoded(
    run: RunDirectory, corpus: Corpus, vocabularies: Vocabularies, check: Check
) -> EncodedPairs:
    """The training pairs in pieces, from the run where they are those of this corpus."""
    folder = run.data / "train"
    fingerprint = f"{corpus.cleaned_fingerprint} {vocabularies.fingerprint}"
    if saved_fingerprint(folder) == fingerprint:
        try:
            return EncodedPairs.load(folder)
        except DataError as error:
            logger.warning("%s: the text must be encoded again", error)
    if not is_first():
        raise not_prepared(folder)
    write_encoded(folder, corpus.train, vocabularies, fingerprint, check)
    return EncodedPairs.load(folder)


def _digest(config: Config) -> str:
    """Tells apart what the training of a vocabulary depends on; sampling comes later."""
    settings = asdict(config.vocabulary) | {"sampling": None}
    if settings.pop("tokenize") == "moses":
        settings["moses"] = [config.data.source_language, config.data.target_language]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _write_if_other(path: Path, content: str) -> None:
    if text_if_whole(path) != content:
        write_atomically(path, content)


def _batches(
    config: Config,
    pairs: EncodedPairs,
    train: Split,
    vocabularies: Vocabularies,
    links: PieceLinks | None,
) -> Batches:
    data = config.data
    kept = within(pairs, data.max_pieces)
    if not len(kept):
        raise DataError(
            f"all {len(pairs)} training pairs have more than data.max_pieces "
            f"({data.max_pieces}) pieces on a side; wanted one or more left"
        )
    if len(kept) < len(pairs):
        left_out = len(pairs) - len(kept)
        number = "1 pair" if left_out == 1 else f"{left_out} pairs"
        logger.info("left out %s of more than %d pieces", number, data.max_pieces)
    sampler = _sampler(config, pairs, train, vocabularies)
    lengths = sampler.lengths if sampler else (pairs.source.lengths, pairs.target.lengths)
    shapes = choose_shapes(
        *(side[kept] for side in lengths),
        num_shapes=data.num_shapes,
        batch_pieces=data.batch_pieces,
        batch_sentences=data.batch_sentences,
        row_multiple=data.row_multiple,
    )
    batches = Batches(
        pairs,
        shapes,
        vocabularies.target.special,
        data_seed=data.seed,
        model_seed=config.training.seed,
        kept=kept,
        sampler=sampler,
        piece_links=links,
    )
    means = [np.mean(side.lengths[kept]) for side in (pairs.source, pairs.target)]
    logger.info(
        "training: %d pairs of %.1f and %.1f pieces; %d batches an epoch, "
        "%.0f %% and %.0f %% of their positions real",
        len(kept),
        *means,
        batches.num_batches,
        *(100 * share for share in batches.fill),
    )
    return batches


def _sampler(
    config: Config, pairs: EncodedPairs, train: Split, vocabularies: Vocabularies
) -> SubwordSampler | None:
    alpha = config.vocabulary.sampling
    if alpha is None:
        return None  # the text of the training pairs is not read again
    return SubwordSampler(
        pairs,
        train.source,
        train.target,
        vocabularies,
        alpha=alpha,
        max_pieces=config.data.max_pieces,
    )
