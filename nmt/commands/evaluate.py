"""nmt evaluate: translates a test set, scores it, and keeps the score with what made it."""

import argparse
import contextlib
import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nmt.analysis.by_length import DEFAULT_EDGES
from nmt.commands.arguments import Arguments, CommandParser, open_run, positive
from nmt.commands.evaluations import (
    Evaluation,
    evaluation_file,
    file_name,
    keep,
    scored,
    translate_split,
)
from nmt.commands.models import find_checkpoint, load_translator
from nmt.commands.pictures import check_place, draw_by_length
from nmt.commands.tables import SCORES, columns, length_table, signature_lines
from nmt.commands.test_sets import add_test_set_options, read_test_sets
from nmt.commands.text_streams import check_places, open_output
from nmt.errors import DataError, NmtError
from nmt.runs.directory import RunDirectory

if TYPE_CHECKING:
    from nmt.data.splits import Split
    from nmt.decoding.translation import Translation

logger = logging.getLogger(__name__)
PICTURE_WORDS = range(6, 21)  # words of a sentence that is worth a picture


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
        "--alignments",
        metavar="N",
        type=positive,
        help="draw alignment matrices of N sentences, of various lengths, into RUN/alignments",
    )
    parser.add_checkpoint()
    return parser


class Evaluated(NamedTuple):
    """A test set's scores, and the pictures that were drawn of it."""

    evaluation: Evaluation
    plot: Path | None
    alignments: list[Path]


def run(arguments: Arguments) -> int:
    """Evaluates; see `nmt evaluate --help`."""
    options = arguments.options
    (run_path,) = arguments.named("RUN")
    run_directory, config = open_run(run_path, arguments.overrides, ("search", "data"))
    splits = read_test_sets(options, config.data)
    plot = _check_places(options, splits)
    edges = DEFAULT_EDGES if plot and options.by_length is None else options.by_length

    wanted = options.output is not None
    with open_output(options.output) if wanted else contextlib.nullcontext() as output:
        checkpoint = find_checkpoint(run_directory, options.checkpoint)
        translator = load_translator(run_directory, str(checkpoint.step))
        if options.alignments and not translator.has_attention:
            raise NmtError("--alignments: the model has no attention, and so no alignment to draw")
        evaluated = []
        for split in splits:
            translations = translate_split(
                translator, split, config, align=bool(options.alignments)
            )
            hypotheses = [translation.text for translation in translations]
            evaluation = scored(hypotheses, split, checkpoint, config, edges=edges)
            pictures = []
            if options.alignments:
                pictures = _draw(translations, split, run_directory, options.alignments)
            if output is not None:
                output.writelines(f"{line}\n" for line in hypotheses)
                output.flush()
            keep(evaluation, run_directory)
            drawn = _plot(evaluation, plot, run_directory)
            evaluated.append(Evaluated(evaluation, drawn, pictures))

    if options.json:
        print(json.dumps(_to_json(evaluated), ensure_ascii=False, indent=2))
    else:
        print("\n".join(_table(evaluated)))
    return 0


def _check_places(options: argparse.Namespace, splits: Sequence["Split"]) -> Path | None:
    """Where the plot goes, if that is said; raises NmtError for what one file cannot take."""
    for option, what in (("output", "translations"), ("plot", "plot")):
        if getattr(options, option) is not None and len(splits) > 1:
            names = ", ".join(split.name for split in splits)
            raise NmtError(f"--{option} takes the {what} of one split; choose one of {names}")
    if options.output is not None and options.source is not None:
        files = {"--source": options.source, "--reference": options.reference}
        check_places(files, {"--output": options.output})
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
    translations: Sequence["Translation"], split: "Split", run_directory: RunDirectory, number: int
) -> list[Path]:
    """Alignment matrices of some of the translations that were scored, named by split and line."""
    paths = []
    for i in varied_in_length(split.source, number):
        alignment = translations[i].alignment
        if alignment is None or not alignment.matrix.size:
            logger.warning("line %d of %s has no words to align", i + 1, split.name)
            continue
        path = run_directory.alignments / f"{file_name(split)}-{i + 1}.png"
        alignment.plot(path)
        paths.append(path)
    return paths


def varied_in_length(sources: Sequence[str], number: int) -> list[int]:
    """Chooses sentences whose lengths are spread evenly over `PICTURE_WORDS`.

    Args:
      sources: sentences.
      number: how many to choose.
    Returns:
      Their indices in order; as few share a length as can be. Fewer where there are no more; where
      no sentence is so long, any lengths will do.
    """
    by_length = defaultdict(list)
    for i, source in enumerate(sources):
        by_length[len(source.split())].append(i)
    by_length.pop(0, None)
    lengths = sorted(by_length.keys() & set(PICTURE_WORDS)) or sorted(by_length)
    chosen = []
    while lengths and len(chosen) < number:
        missing = min(number - len(chosen), len(lengths))
        gap = (len(lengths) - 1) / max(missing - 1, 1)
        for place in range(missing):
            chosen.append(by_length[lengths[round(place * gap)]].pop(0))
        lengths = [length for length in lengths if by_length[length]]
    return sorted(chosen)


def _to_json(evaluated: Sequence[Evaluated]) -> dict:
    objects = {}
    for evaluation, plot, alignments in evaluated:
        of_split = objects[evaluation.split.name] = evaluation.to_dict()
        if plot is not None:
            of_split["plot"] = str(plot)
        if alignments:
            of_split["alignments"] = list(map(str, alignments))
    return next(iter(objects.values())) if len(objects) == 1 else {"splits": objects}


def _table(evaluated: Sequence[Evaluated]) -> list[str]:
    """The scores in columns, and below them by length, the signatures and the pictures."""
    rows = [["split", "sentences", *SCORES.values()]]
    signatures, buckets, pictures = {}, [], []
    for evaluation, plot, alignments in evaluated:
        name, scores = evaluation.split.name, evaluation.scores.to_dict()
        rows.append([name, str(scores["sentences"]), *(f"{scores[key]:.2f}" for key in SCORES)])
        of_split = signature_lines({key: scores[f"{key}_signature"] for key in SCORES})
        signatures |= dict.fromkeys(of_split)
        buckets += [(name, bucket) for bucket in evaluation.by_length or []]
        pictures += [f"plot: {plot}"] if plot is not None else []
        pictures += [f"alignment: {path}" for path in alignments]
    language = evaluated[0].evaluation.config.data.source_language
    by_length = ["", *length_table("split", buckets, language), ""] if buckets else []
    return [*columns(rows), *by_length, *signatures, *pictures]
