"""Makes what training needs and a run lacks: the corpus read and cleaned, vocabularies, pieces."""

import json
import logging
from dataclasses import dataclass

import numpy as np

from nmt.config.schema import Config
from nmt.data.batching import Batches, EvaluationBatches, choose_shapes
from nmt.data.corpus import Corpus, Split, load_corpus
from nmt.data.encoding import EncodedPairs, encode_pairs, saved_fingerprint, within
from nmt.data.sampling import SubwordSampler
from nmt.data.vocabulary import (
    Vocabularies,
    has_vocabularies,
    load_vocabularies,
    train_vocabularies,
)
from nmt.runs.directory import RunDirectory, write_atomically

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A corpus ready for training.

    Attributes:
      vocabularies: of both sides.
      batches: of training, without end.
      validation: the raw split, for BLEU.
      validation_batches: the same encoded, for the loss.
    """

    vocabularies: Vocabularies
    batches: Batches
    validation: Split
    validation_batches: EvaluationBatches


def prepare(config: Config, run: RunDirectory) -> Prepared:
    """Reads the corpus and finds in the run, or makes there, all that is derived from it.

    Raises:
      DataError: the corpus cannot be read.
      RunError: the corpus is not the one that the run began with.
    """
    corpus = load_corpus(config.data)
    fingerprints = corpus.fingerprints()
    run.check_same_corpus(fingerprints)
    run.write_environment(fingerprints)
    logger.info("%s", corpus.report)
    run.data.mkdir(exist_ok=True)
    report = json.dumps(corpus.report.to_dict(), indent=2, ensure_ascii=False)
    write_atomically(run.data / "cleaning.json", report + "\n")
    vocabularies = _vocabularies(config, run, corpus)
    pairs = _encoded(run, corpus, vocabularies)
    validation = encode_pairs(corpus.validation.source, corpus.validation.target, vocabularies)
    return Prepared(
        vocabularies,
        _batches(config, pairs, corpus.train, vocabularies),
        corpus.validation,
        EvaluationBatches(
            validation,
            vocabularies.target.special,
            batch_pieces=config.data.batch_pieces,
            num_shapes=4,
        ),
    )


def _vocabularies(config: Config, run: RunDirectory, corpus: Corpus) -> Vocabularies:
    if has_vocabularies(run.vocabulary):
        return load_vocabularies(run.vocabulary)
    train = corpus.train
    vocabularies = train_vocabularies(train.source, train.target, config.vocabulary, run.vocabulary)
    sizes = [len(side) for side in dict.fromkeys(vocabularies)]
    logger.info("vocabulary: %s pieces", " and ".join(map(str, sizes)))
    return vocabularies


def _encoded(run: RunDirectory, corpus: Corpus, vocabularies: Vocabularies) -> EncodedPairs:
    """The training pairs in pieces, from the run where they are those of this corpus."""
    folder = run.data / "train"
    fingerprint = f"{corpus.train.fingerprint} {vocabularies.fingerprint}"
    if saved_fingerprint(folder) != fingerprint:
        pairs = encode_pairs(corpus.train.source, corpus.train.target, vocabularies)
        pairs.save(folder, fingerprint)
    return EncodedPairs.load(folder)


def _batches(
    config: Config, pairs: EncodedPairs, train: Split, vocabularies: Vocabularies
) -> Batches:
    data = config.data
    kept = within(pairs, data.max_pieces)
    if len(kept) < len(pairs):
        logger.info(
            "%d pairs of more than %d pieces are left out", len(pairs) - len(kept), data.max_pieces
        )
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
        return None  # and the text of the training pairs need not be kept
    return SubwordSampler(
        pairs,
        train.source,
        train.target,
        vocabularies,
        alpha=alpha,
        max_pieces=config.data.max_pieces,
    )
