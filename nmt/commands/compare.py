"""nmt compare: several runs on one test set, and whether their scores differ by more than luck."""

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nmt.analysis.by_length import DEFAULT_EDGES
from nmt.analysis.significance import (
    NUM_SAMPLES,
    PairedBootstrap,
    check_num_samples,
    paired_bootstrap,
)
from nmt.commands.arguments import Arguments, CommandParser, open_run, positive
from nmt.commands.comparison_report import Compared, table, to_json
from nmt.commands.evaluations import Evaluation, keep, kept_hypotheses, scored, translate_split
from nmt.commands.models import FoundCheckpoint, find_checkpoint, load_found
from nmt.commands.pictures import check_folder, draw_by_length
from nmt.commands.several_runs import check_different, check_same_languages
from nmt.commands.test_sets import add_test_set_options, read_test_sets
from nmt.config.schema import Config, TrainingConfig
from nmt.errors import DataError, NmtError
from nmt.runs.directory import RunDirectory
from nmt.runs.seeds import ENSEMBLE, Choice

if TYPE_CHECKING:
    from nmt.analysis.curves import Curve
    from nmt.analysis.scores import Scores
    from nmt.data.splits import Split

logger = logging.getLogger(__name__)


def make_parser() -> CommandParser:
    """What the command takes."""
    parser = CommandParser(
        "compare",
        words="BASELINE RUN [RUN ...] [search.key=value data.key=value ...]",
        purpose="Scores runs on one test set, and compares each with the first by paired bootstrap "
        "resampling (Koehn 2004) as sacreBLEU does it: 95 % confidence intervals, and p, the "
        "probability of so large a difference between equally good systems. Translations of "
        "the same text, checkpoint and search that are in RUN/evaluations are taken from there; "
        "others are made, and kept there. Of a run of several seeds the first is compared, and the "
        "mean and standard deviation of all are given too; with --seed, that one alone.",
        examples=[
            "nmt compare runs/gru runs/transformer",
            "nmt compare runs/gru runs/no_attention --by-length --output comparison",
            "nmt compare runs/a runs/b --source news.en --reference news.de --json",
        ],
    )
    add_test_set_options(parser)
    parser.add_argument("--json", action="store_true", help="print an object instead of tables")
    parser.add_by_length()
    parser.add_argument(
        "--samples",
        metavar="N",
        type=positive,
        default=NUM_SAMPLES,
        help=f"test sets that the bootstrap draws (default: {NUM_SAMPLES})",
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        help="draw there BLEU by length (length.png) and validation BLEU against minutes of "
        "training (validation.png); implies --by-length",
    )
    parser.add_checkpoint()
    parser.add_seed(" of each run")
    return parser


class Opened(NamedTuple):
    """A run that is to be compared.

    Attributes:
      name: as the user wrote it.
      directory, config: of the run.
      split: what it translates.
      checkpoints: the one that is compared; where the run has several seeds and none is named,
        those of the others too.
      validation: BLEU of the one that is compared against minutes of training.
    """

    name: str
    directory: RunDirectory
    config: Config
    split: "Split"
    checkpoints: list[FoundCheckpoint]
    validation: "Curve"


def run(arguments: Arguments) -> int:
    """Compares; see `nmt compare --help`."""
    options = arguments.options
    arguments.check_named("--output", "a folder")
    folder = None if options.output is None else Path(options.output)
    if folder is not None:
        check_folder(folder)
    runs = _open(arguments)
    edges = DEFAULT_EDGES if folder and options.by_length is None else options.by_length

    evaluated = [_evaluate_all(opened, edges) for opened in runs]
    bootstrap = _bootstrap([evaluation for evaluation, *_ in evaluated], options.samples)
    compared = [
        Compared(opened.name, *of_run, resampled, opened.validation)
        for opened, of_run, resampled in zip(runs, evaluated, bootstrap.systems, strict=True)
    ]
    pictures = [] if folder is None else _draw(compared, folder)
    if options.json:
        shown = to_json(compared, bootstrap) | {"pictures": list(map(str, pictures))}
        print(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        print("\n".join([*table(compared, bootstrap), *(f"picture: {path}" for path in pictures)]))
    return 0


def _open(arguments: Arguments) -> list[Opened]:
    """Opens all runs and reads the test set, before the first of them translates.

    Raises:
      NmtError: too few runs, or runs that cannot be compared.
    """
    names, options = arguments.words, arguments.options
    if len(names) < 2:
        raise NmtError(
            "two runs or more are wanted, the first to compare the others with; "
            f"got {len(names)}; see nmt compare --help"
        )
    opened = [open_run(name, arguments.overrides, ("search", "data")) for name in names]
    check_different(names)
    _check_same_task(names, [config for _, config in opened])
    splits = _read_split(options, names, [config for _, config in opened])
    check_num_samples(options.samples, len(splits[0]))
    checkpoints = [
        [
            find_checkpoint(directory, options.checkpoint, seed)
            for seed in _seeds(options.seed, config.training, [config for _, config in opened])
        ]
        for directory, config in opened
    ]
    return [
        Opened(
            name, directory, config, split, of_run, _validation_curve(name, directory, of_run[0])
        )
        for name, (directory, config), split, of_run in zip(
            names, opened, splits, checkpoints, strict=True
        )
    ]


def _seeds(choice: Choice, training: TrainingConfig, configs: Sequence[Config]) -> Sequence[Choice]:
    """The models of a run that are scored, the one to compare first.

    A choice is for the runs that leave one, where there is such a run.
    """
    if choice is None:
        return training.seeds if training.num_seeds > 1 else [None]
    has_choice = any(config.training.num_seeds > 1 for config in configs)
    return [choice if training.num_seeds > 1 or not has_choice else None]


def _check_same_task(names: Sequence[str], configs: Sequence[Config]) -> None:
    """Refuses runs whose scores would not be of the same kind."""
    check_same_languages(names, configs)
    first = configs[0].data
    for name, data in zip(names, (config.data for config in configs), strict=True):
        if data.tokenized != first.tokenized:
            raise NmtError(
                "runs are compared with the same data.tokenized; it is "
                f"{str(first.tokenized).lower()} in {names[0]} and {str(data.tokenized).lower()} "
                f"in {name}"
            )


def _read_split(
    options: argparse.Namespace, names: Sequence[str], configs: Sequence[Config]
) -> list["Split"]:
    """The test set as each run reads it; raises DataError unless it is the same text for all."""
    from nmt.data.corpus import load_split

    first, *more = read_test_sets(options, configs[0].data)
    if more:
        legal = ", ".join(split.name for split in (first, *more))
        raise NmtError(f"runs are compared on one test set; choose one of {legal} with --split")
    if options.source is not None:
        return [first] * len(names)
    splits = [first, *(load_split(config.data, first.name) for config in configs[1:])]
    for name, split in zip(names, splits, strict=True):
        if _text_fingerprint(split) != _text_fingerprint(first):
            raise DataError(
                f"split {first.name!r} is not the same text in {names[0]} and {name} "
                f"({len(first)} and {len(split)} sentences); compare them on one text, as with "
                "--source and --reference"
            )
    return splits


def _text_fingerprint(split: "Split") -> str:
    """Without the word links, which one run may have and another not."""
    return replace(split, links=None).fingerprint


def _evaluate_all(
    opened: Opened, edges: Sequence[int] | None
) -> tuple[Evaluation, Path | None, dict[int, "Scores"]]:
    """Scores a run: the model that is compared and, where they are wanted, all of its seeds."""
    first, *others = opened.checkpoints
    evaluation, path = _evaluate(opened, first, edges)
    if not others:
        return evaluation, path, {}
    of_seeds = {first.seed: evaluation.scores}
    for checkpoint in others:
        of_seeds[checkpoint.seed] = _evaluate(opened, checkpoint, None)[0].scores
    return evaluation, path, of_seeds


def _evaluate(
    opened: Opened, checkpoint: FoundCheckpoint, edges: Sequence[int] | None
) -> tuple[Evaluation, Path | None]:
    """Scores a model of a run, and names the file that has its translations if one has."""
    name, directory, config, split, *_ = opened
    model = "" if checkpoint.seed is None else f", seed {checkpoint.seed}"
    kept = kept_hypotheses(directory, split, checkpoint, config.search)
    if kept is not None:
        hypotheses, precision, path = kept
        logger.info(
            "%s: checkpoint %s%s, translations taken from %s", name, checkpoint.step, model, path
        )
        evaluation = scored(hypotheses, split, checkpoint, config, precision=precision, edges=edges)
        return evaluation, path
    logger.info("%s: checkpoint %s%s translates %s", name, checkpoint.step, model, split.name)
    translator = load_found(directory, checkpoint)
    hypotheses = [found.text for found in translate_split(translator, split, config)]
    precision = translator.precision(config.search)
    evaluation = scored(hypotheses, split, checkpoint, config, precision=precision, edges=edges)
    keep(evaluation, directory)
    return evaluation, None


def _bootstrap(evaluations: Sequence[Evaluation], num_samples: int) -> PairedBootstrap:
    first = evaluations[0]
    return paired_bootstrap(
        [evaluation.hypotheses for evaluation in evaluations],
        first.split.target,
        target_language=first.config.data.target_language,
        tokenized=first.config.data.tokenized,
        num_samples=num_samples,
    )


def _validation_curve(name: str, directory: RunDirectory, checkpoint: FoundCheckpoint) -> "Curve":
    """Validation BLEU of the compared model against minutes; empty where there is no record of it.

    Of an ensemble it is the mean of its models, and the name says so.
    """
    from nmt.analysis.curves import curve
    from nmt.analysis.records import read_records

    metrics, seed = directory.metrics_file, checkpoint.seed
    records = read_records(metrics) if metrics.is_file() else []
    field = "validation_bleu"
    if seed == ENSEMBLE:  # which training does not validate
        name = f"{name}, mean of seeds"
    elif seed is not None:
        field = f"{field}/seed_{seed}"
    return curve(records, "seconds", field, name=name, x_unit=60)


def _draw(compared: Sequence[Compared], folder: Path) -> list[Path]:
    """Writes the pictures; without validations there is but one."""
    from nmt.analysis.curves import plot_curves

    by_length, validation = folder / "length.png", folder / "validation.png"
    draw_by_length({name: evaluation for name, evaluation, *_ in compared}, by_length)
    curves = [of_run.validation for of_run in compared]
    if not any(line.x for line in curves):
        logger.warning("no run has a record of validation BLEU: %s is not drawn", validation)
        return [by_length]
    plot_curves(curves, validation, x_label="minutes", y_label="validation BLEU")
    return [by_length, validation]
