"""nmt evaluate: translates a test set, scores it, and keeps the score with what made it."""

import argparse
import contextlib
import itertools
import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.analysis.by_length import DEFAULT_EDGES
from nmt.commands.arguments import Arguments, CommandParser, open_run, positive
from nmt.commands.evaluation_report import Evaluated, table, to_json
from nmt.commands.evaluations import (
    Evaluation,
    evaluation_file,
    keep,
    scored,
    source_lengths,
    translate_split,
    with_unknown,
)
from nmt.commands.models import FoundCheckpoint, find_checkpoint, load_found
from nmt.commands.pictures import check_folder, check_place, draw_by_length
from nmt.commands.test_sets import add_test_set_options, read_test_sets
from nmt.commands.text_streams import check_places, open_output
from nmt.config.schema import TrainingConfig
from nmt.errors import DataError, NmtError
from nmt.runs.directory import RunDirectory
from nmt.runs.seeds import MEAN, Choice, check_several

if TYPE_CHECKING:
    from nmt.data.splits import Split
    from nmt.decoding.translation import Translation
    from nmt.decoding.translator import Translator

logger = logging.getLogger(__name__)
PICTURE_WORDS = range(6, 21)  # of a sentence that is worth a picture


def make_parser() -> CommandParser:
    """What the command takes."""
    parser = CommandParser(
        "evaluate",
        words="RUN [search.key=value data.key=value ...]",
        purpose="Translates test sets, all of data.test where none is named, and scores them: "
        "BLEU, chrF and TER as sacreBLEU counts them, with their signatures, and BLEU of "
        "tokenised lowercased text. Every score is kept in RUN/evaluations with the translations, "
        "the references and the search settings.",
        examples=[
            "nmt evaluate runs/quickstart",
            "nmt evaluate runs/quickstart --split validation --json search.beam_size=1",
            "nmt evaluate runs/quickstart --source news.en.gz --reference news.fr.gz",
            "nmt evaluate runs/quickstart --by-length 5,10,15 --plot length.pdf",
            "nmt evaluate runs/eight_seeds --seed ensemble",
            "nmt evaluate runs/words --no-unknown search.unknown=forbid",
        ],
    )
    add_test_set_options(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help='print one object instead of a table; of several splits, {"splits": {NAME: object}}',
    )
    parser.add_argument("--output", metavar="FILE", help="write the translations there")
    parser.add_by_length()
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw BLEU by length there, a .png, .svg or .pdf file, instead of into "
        "RUN/evaluations; implies --by-length",
    )
    parser.add_argument(
        "--no-unknown",
        action="store_true",
        help="score the sentences without unknown words (of SentencePiece: pieces) in source and "
        "reference by themselves too",
    )
    parser.add_argument(
        "--alignments",
        metavar="N",
        type=positive,
        help="draw alignment matrices of N sentences, of various lengths, into RUN/alignments",
    )
    parser.add_checkpoint()
    parser.add_seed(mean=True)
    return parser


def run(arguments: Arguments) -> int:
    """Evaluates; see `nmt evaluate --help`."""
    options = arguments.options
    (run_path,) = arguments.named("RUN")
    run_directory, config = open_run(run_path, arguments.overrides, ("search", "data"))
    seeds = _seeds(run_directory, config.training, options)
    splits = read_test_sets(options, config.data)
    plot = _check_places(options, splits, run_directory)
    edges = DEFAULT_EDGES if plot and options.by_length is None else options.by_length

    wanted = options.output is not None
    with open_output(options.output) if wanted else contextlib.nullcontext() as output:
        found = [find_checkpoint(run_directory, options.checkpoint, seed) for seed in seeds]
        evaluated = []
        for checkpoint, split in itertools.product(found, splits):
            if split is splits[0]:
                translator = _load(run_directory, checkpoint, options)
            translations = translate_split(
                translator, split, config, align=bool(options.alignments)
            )
            hypotheses = [translation.text for translation in translations]
            precision = translator.precision(config.search)
            evaluation = scored(
                hypotheses, split, checkpoint, config, precision=precision, edges=edges
            )
            if options.no_unknown or config.vocabulary.kind == "word":
                evaluation = with_unknown(
                    evaluation, translator.vocabularies, is_scored=options.no_unknown
                )
            if output is not None:
                output.writelines(f"{line}\n" for line in hypotheses)
                output.flush()
            keep(evaluation, run_directory)
            pictures = []
            if options.alignments:
                pictures = _draw(translations, evaluation, run_directory, options.alignments)
            drawn = _plot(evaluation, plot, run_directory)
            evaluated.append(Evaluated(evaluation, drawn, pictures))

    if options.json:
        print(json.dumps(to_json(evaluated), ensure_ascii=False, indent=2))
    else:
        print("\n".join(table(evaluated)))
    return 0


def _seeds(
    run_directory: RunDirectory, training: TrainingConfig, options: argparse.Namespace
) -> Sequence[Choice]:
    """The models that are evaluated: one, or those of all seeds, each by itself."""
    if options.seed == MEAN:
        check_several(run_directory, training, MEAN)
    elif options.seed is not None or training.num_seeds == 1:
        return [options.seed]
    for option in ("output", "plot", "alignments"):
        if getattr(options, option) is not None:
            raise NmtError(
                f"--{option} is of one model, and {run_directory.path} has those of "
                f"{training.num_seeds} seeds: choose --seed {training.seed}, another one, or "
                "--seed ensemble"
            )
    return training.seeds


def _load(
    run_directory: RunDirectory, checkpoint: FoundCheckpoint, options: argparse.Namespace
) -> "Translator":
    translator = load_found(run_directory, checkpoint)
    if options.alignments and not translator.has_attention:
        raise NmtError("--alignments: the model has no attention, and so no alignment to draw")
    return translator


def _check_places(
    options: argparse.Namespace, splits: Sequence["Split"], run_directory: RunDirectory
) -> Path | None:
    """Where the plot goes, if that is said.

    Raises:
      NmtError: what one file cannot take, or a place that cannot be written.
    """
    for option, what in (("output", "translations"), ("plot", "plot")):
        if getattr(options, option) is not None and len(splits) > 1:
            names = ", ".join(split.name for split in splits)
            raise NmtError(f"--{option} takes the {what} of one split; choose one of {names}")
    if options.output == "-" and options.json:
        raise NmtError("--output - would mix translations with the object of --json; name a file")

    def given(*names: str) -> dict[str, str]:
        values = {f"--{name}": getattr(options, name) for name in names}
        return {option: value for option, value in values.items() if value is not None}

    check_places(given("source", "reference"), given("output", "plot"))
    if options.alignments:
        check_folder(run_directory.alignments)
    if options.plot is None:
        return None
    from nmt.analysis.figures import check_picture_path

    path = check_picture_path(options.plot)
    check_place(path)
    return path


def _plot(evaluation: Evaluation, path: Path | None, run_directory: RunDirectory) -> Path | None:
    """Draws BLEU by length, to `path` or beside the scores; a run may be one that is read only."""
    if evaluation.by_length is None:
        return None
    kept = evaluation_file(run_directory, evaluation)
    try:
        name = str(run_directory.path)
        draw_by_length({name: evaluation}, path or kept.with_suffix(".png"))
    except DataError as error:
        if path is not None:
            raise
        logger.warning("the plot is not kept: %s", error)
        return None
    return path or kept.with_suffix(".png")


def _draw(
    translations: Sequence["Translation"],
    evaluation: Evaluation,
    run_directory: RunDirectory,
    number: int,
) -> list[Path]:
    """Alignment matrices of some of the translations that were scored.

    They are named as the file that has the scores is, and by line.
    """
    split, paths = evaluation.split, []
    stem = evaluation_file(run_directory, evaluation).stem
    for i in varied_in_length(source_lengths(split, evaluation.config.data), number):
        alignment = translations[i].alignment
        if alignment is None or not alignment.matrix.size:
            logger.warning("line %d of %s has no words to align", i + 1, split.name)
            continue
        path = run_directory.alignments / f"{stem}.line_{i + 1}.png"
        alignment.plot(path)
        paths.append(path)
    return paths


def varied_in_length(lengths: Sequence[int], number: int) -> list[int]:
    """Chooses sentences whose lengths are spread evenly over `PICTURE_WORDS`.

    Args:
      lengths: of sentences.
      number: how many to choose.
    Returns:
      Their indices in order; as few share a length as can be. Fewer where there are no more; where
      no sentence is so long, any lengths will do.
    """
    by_length = defaultdict(list)
    for i, length in enumerate(lengths):
        by_length[length].append(i)
    by_length.pop(0, None)
    left = sorted(by_length.keys() & set(PICTURE_WORDS)) or sorted(by_length)
    chosen = []
    while left and len(chosen) < number:
        missing = min(number - len(chosen), len(left))
        gap = (len(left) - 1) / max(missing - 1, 1)
        for place in range(missing):
            chosen.append(by_length[left[round(place * gap)]].pop(0))
        left = [length for length in left if by_length[length]]
    return sorted(chosen)
