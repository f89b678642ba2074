"""Translates the test set with the trained models, and measures what tables and figures show."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from benchmarking.report import say
from benchmarking.trained_runs import measured

from nmt.analysis.by_length import LengthBucket, scores_by_length
from nmt.analysis.length_bands import bleu_bands
from nmt.analysis.scores import Measure, measures
from nmt.analysis.significance import Resampled, resampled
from nmt.commands.evaluations import (
    keep,
    kept_hypotheses,
    scored,
    source_lengths,
    translate_split,
)
from nmt.commands.models import find_checkpoint, load_found
from nmt.config.schema import Config
from nmt.data.corpus import load_split
from nmt.data.splits import Split
from nmt.data.unknown_words import count_unknown
from nmt.data.vocabularies import load_vocabularies
from nmt.decoding.translator import Translator
from nmt.runs.directory import RunDirectory
from reproduction.paper import ENCDEC_30, ENCDEC_50, LENGTHS, MODELS, SEARCH_30, SEARCH_50, Model

PAIRS = ((ENCDEC_30, SEARCH_30), (ENCDEC_50, SEARCH_50))  # without and with attention
KNOWN = "known"  # the sentences without unknown words


class Found(NamedTuple):
    """What was measured; by the model's name where it is of one.

    Attributes:
      config: of RNNsearch-50.
      test, known: the test set, and its sentences whose words all four models know.
      unknown: share of unknown words in sources and references, 0-1.
      signature: of BLEU.
      all_sentences, known_words: BLEU of both; none of `known` where there is no such sentence.
        p_value is of the difference to the model without attention.
      by_length, bands: of all sentences; p_value of a band is of the difference to RNNencdec-50.
      hypotheses: of all sentences.
      training: what each run has come to.
    """

    config: Config
    test: Split
    known: Split
    unknown: Mapping[str, tuple[float, float]]
    signature: str
    all_sentences: Mapping[str, Resampled]
    known_words: Mapping[str, Resampled]
    by_length: Mapping[str, list[LengthBucket]]
    bands: Mapping[str, list[Resampled | None]]
    hypotheses: Mapping[str, list[str]]
    training: Mapping[str, dict]


def measure(folder: Path) -> Found:
    """Measures the four runs of a folder; translations that are kept there are not made again."""
    runs = {model.name: RunDirectory.open(folder / model.stem) for model in MODELS}
    config = runs[SEARCH_50.name].read_config()
    test = load_split(config.data, config.data.test[0])
    knows, unknown = _unknown(runs, test, config)
    rows = np.flatnonzero(knows)
    known = Split(KNOWN, *([side[row] for row in rows] for side in (test.source, test.target)))
    say(f"test: {len(test)} sentences, {len(known)} of them without unknown words")
    hypotheses, of_known = {}, {}
    for name, run in runs.items():
        hypotheses[name], of_known[name] = _translated(name, run, (test, known))

    measure = measure_of(config)
    say("scoring")
    all_sentences, signature = _scored(measure, hypotheses, test)
    known_words = _scored(measure, of_known, known)[0] if len(known) else {}
    options = {
        "target_language": config.data.target_language,
        "tokenized": config.data.tokenized,
    }
    lengths = source_lengths(test, config.data)
    by_length = {
        name: scores_by_length(lengths, lines, test.target, LENGTHS, **options)
        for name, lines in hypotheses.items()
    }
    order = [ENCDEC_50.name, *(name for name in hypotheses if name != ENCDEC_50.name)]
    bands = bleu_bands(
        lengths,
        [hypotheses[name] for name in order],
        test.target,
        LENGTHS,
        tokenized_lowercase=config.data.tokenized,
        **options,
    )
    return Found(
        config=config,
        test=test,
        known=known,
        unknown=unknown,
        signature=signature,
        all_sentences=all_sentences,
        known_words=known_words,
        by_length=by_length,
        bands=dict(zip(order, bands, strict=True)),
        hypotheses=hypotheses,
        training={name: _training(run) for name, run in runs.items()},
    )


def measure_of(config: Config) -> Measure:
    """The BLEU that is reported: of tokenised text as it is, as in the paper; else sacreBLEU's."""
    data = config.data
    kinds = {m.name: m for m in measures(data.target_language, tokenized=data.tokenized)}
    return kinds["bleu_tokenized_lowercase" if data.tokenized else "bleu"]


def _unknown(
    runs: Mapping[str, RunDirectory], test: Split, config: Config
) -> tuple[np.ndarray, dict[str, tuple[float, float]]]:
    """Which pairs have no word that is unknown to any model; and the shares of unknown words."""
    knows, shares = np.ones(len(test), bool), {}
    for name, run in runs.items():
        vocabularies = load_vocabularies(run.vocabulary)
        nfc = config.data.cleaning.nfc
        counts = count_unknown(test.source, test.target, vocabularies, nfc=nfc)
        knows &= counts.has_none
        shares[name] = counts.summary.source, counts.summary.target
    return knows, shares


def _translated(name: str, run: RunDirectory, splits: tuple[Split, Split]) -> list[list[str]]:
    """All sentences, unknown words kept, and those without any, for which none may be produced."""
    found, config = find_checkpoint(run, "best"), run.read_config()
    translator = cache(lambda: load_found(run, found))
    hypotheses = []
    for split, unknown in zip(splits, ("keep", "forbid"), strict=True):
        of_split = replace(config, search=replace(config.search, unknown=unknown))
        kept = kept_hypotheses(run, split, found, of_split.search)
        if kept is not None or not len(split):
            hypotheses.append([] if kept is None else kept.hypotheses)
            continue
        say(f"{name}: translating {len(split)} sentences")
        lines = [line.text for line in translate_split(translator(), split, of_split)]
        precision = translator().precision(of_split.search)
        keep(scored(lines, split, found, of_split, precision=precision, edges=None), run)
        hypotheses.append(lines)
    return hypotheses


def _scored(
    measure: Measure, hypotheses: Mapping[str, Sequence[str]], split: Split
) -> tuple[dict[str, Resampled], str]:
    """BLEU of each model, compared with the one without attention of the same length."""
    scores, signature = {}, ""
    for pair in PAIRS:
        systems = [hypotheses[model.name] for model in pair]
        of_pair, signature = resampled(measure, systems, split.target)
        scores |= {model.name: of_model for model, of_model in zip(pair, of_pair, strict=True)}
    return scores, signature


def _training(run: RunDirectory) -> dict:
    records = [json.loads(line) for line in run.metrics_file.read_text("utf-8").splitlines()]
    return measured(run.path) | {"minutes": records[-1]["seconds"] / 60}


def aligned(folder: Path, model: Model, sources: Sequence[str]) -> list:
    """The translations of some sentences with their alignments."""
    run = RunDirectory.open(folder / model.stem)
    translator: Translator = load_found(run, find_checkpoint(run, "best"))
    return translator.translate(list(sources), align=True)
