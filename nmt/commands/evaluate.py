"""nmt evaluate: translates a test set, scores it, and keeps the score with what made it."""

import contextlib
import hashlib
import json
import logging
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nmt.commands.arguments import Arguments, CommandParser, open_run, positive
from nmt.commands.models import FoundCheckpoint, find_checkpoint, load_translator
from nmt.commands.progress import progress
from nmt.commands.text_streams import open_output
from nmt.config.schema import Config, DataConfig
from nmt.errors import NmtError
from nmt.runs.directory import RunDirectory, write_atomically

if TYPE_CHECKING:
    from nmt.analysis.scores import Scores
    from nmt.data.splits import Split
    from nmt.decoding.translation import Translation
    from nmt.decoding.translator import Translator

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
        ],
    )
    parser.add_argument("--split", metavar="NAME", help="a split of the corpus")
    parser.add_argument("--source", metavar="FILE", help="a file to translate, with --reference")
    parser.add_argument("--reference", metavar="FILE", help="its translation, line by line")
    parser.add_argument(
        "--json",
        action="store_true",
        help='print one object instead of a table; of several splits, {"splits": {NAME: object}}',
    )
    parser.add_argument("--output", metavar="FILE", help="write the translations there")
    parser.add_argument(
        "--alignments",
        metavar="N",
        type=positive,
        help="draw alignment matrices of N sentences, of various lengths, into RUN/alignments",
    )
    parser.add_checkpoint()
    return parser


class Evaluation(NamedTuple):
    """The scores of one test set.

    Attributes:
      split: the test set.
      checkpoint: whose translations they are.
      config: with the overrides of this call.
      hypotheses: translations of split.source.
      scores: of the hypotheses against split.target.
      pictures: of alignments, written already.
    """

    split: "Split"
    checkpoint: FoundCheckpoint
    config: Config
    hypotheses: list[str]
    scores: "Scores"
    pictures: list[Path]

    def to_dict(self) -> dict:
        """The scores, and all that they depend on, ready for JSON."""
        return {
            **self.scores.to_dict(),
            "split": self.split.name,
            "checkpoint": self.checkpoint.step,
            "averaged": list(self.checkpoint.averaged),
            "fingerprint": self.split.fingerprint,
            "source_language": self.config.data.source_language,
            "target_language": self.config.data.target_language,
            "tokenized": self.config.data.tokenized,
            "search": asdict(self.config.search),
        }


def run(arguments: Arguments) -> int:
    """Evaluates; see `nmt evaluate --help`."""
    options = arguments.options
    (run_path,) = arguments.named("RUN")
    run_directory, config = open_run(run_path, arguments.overrides, ("search", "data"))
    splits = _read_splits(arguments, config.data)
    if options.output is not None and len(splits) > 1:
        names = ", ".join(split.name for split in splits)
        raise NmtError(f"--output takes the translations of one split; choose one of {names}")

    wanted = options.output is not None
    with open_output(options.output) if wanted else contextlib.nullcontext() as output:
        checkpoint = find_checkpoint(run_directory, options.checkpoint)
        translator = load_translator(run_directory, str(checkpoint.step))
        if options.alignments and not translator.has_attention:
            raise NmtError("--alignments: the model has no attention, and so no alignment to draw")
        evaluations = []
        for split in splits:
            translations = _translate(translator, split, config, align=bool(options.alignments))
            evaluation = _score(translations, split, checkpoint, config)
            if options.alignments:
                pictures = _draw(translations, split, run_directory, options.alignments)
                evaluation = evaluation._replace(pictures=pictures)
            if output is not None:
                output.writelines(f"{line}\n" for line in evaluation.hypotheses)
                output.flush()
            _keep(evaluation, run_directory)
            evaluations.append(evaluation)

    if options.json:
        print(json.dumps(_to_json(evaluations), ensure_ascii=False, indent=2))
    else:
        print("\n".join(_table(evaluations)))
    return 0


def _read_splits(arguments: Arguments, config: DataConfig) -> list["Split"]:
    """The test sets that the options name."""
    from nmt.data.corpus import load_split
    from nmt.data.text_files import read_parallel

    options = arguments.options
    if (options.source is None) != (options.reference is None):
        raise NmtError("--source and --reference are given together, or --split, or none of them")
    if options.source is None:
        names = config.test if options.split is None else (options.split,)
        return [load_split(config, name) for name in dict.fromkeys(names)]
    if options.split is not None:
        raise NmtError("either --split or --source and --reference are given, not both")
    source, reference = Path(options.source), Path(options.reference)
    name = source.name.encode(errors="replace").decode()  # it may hold any bytes
    split = read_parallel(name, source, reference)
    if not len(split):
        raise NmtError(f"{source} is empty; wanted one line or more")
    return [split]


def _translate(
    translator: "Translator", split: "Split", config: Config, *, align: bool
) -> list["Translation"]:
    """Translates a test set; with alignments, of which a sampled translation has but one chance."""
    with progress(len(split)) as advance:
        return translator.translate(
            split.source, align=align, search=config.search, progress=advance
        )


def _score(
    translations: Sequence["Translation"],
    split: "Split",
    checkpoint: FoundCheckpoint,
    config: Config,
) -> Evaluation:
    """Scores the translations of a test set."""
    from nmt.analysis.scores import score

    hypotheses = [translation.text for translation in translations]
    scores = score(
        hypotheses,
        split.target,
        target_language=config.data.target_language,
        tokenized=config.data.tokenized,
    )
    return Evaluation(split, checkpoint, config, hypotheses, scores, [])


def _keep(evaluation: Evaluation, run_directory: RunDirectory) -> None:
    """Writes the scores into the run; a run that cannot be written is only warned of.

    The file is SPLIT.STEP.DIGEST.json, with a digest of the text, the search settings and, of an
    average, its steps.
    """
    folder = run_directory.evaluations
    split = evaluation.split
    texts = {
        "sources": split.source,
        "hypotheses": evaluation.hypotheses,
        "references": split.target,
    }
    record = json.dumps(evaluation.to_dict() | texts, ensure_ascii=False, indent=1)
    averaged = evaluation.checkpoint.averaged
    settings = json.dumps([split.fingerprint, asdict(evaluation.config.search), averaged])
    digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
    name = f"{_file_name(split)}.{evaluation.checkpoint.step}.{digest}.json"
    try:
        folder.mkdir(exist_ok=True)
        write_atomically(folder / name, record + "\n")
    except (OSError, NmtError) as error:
        logger.warning("the scores of %s are not kept: %s", split.name, error)


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
        path = run_directory.alignments / f"{_file_name(split)}-{i + 1}.png"
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


def _file_name(split: "Split") -> str:
    """The split's name without what a file name should not have, such as 'train[:1%]' has."""
    return re.sub(r"[^\w.-]+", "_", split.name).lstrip(".") or "split"


def _to_json(evaluations: Sequence[Evaluation]) -> dict:
    objects = {e.split.name: e.to_dict() for e in evaluations}
    for evaluation in evaluations:
        if evaluation.pictures:
            objects[evaluation.split.name]["alignments"] = list(map(str, evaluation.pictures))
    if len(evaluations) == 1:
        return objects[evaluations[0].split.name]
    return {"splits": objects}


def _table(evaluations: Sequence[Evaluation]) -> list[str]:
    """The scores in columns, and below them the signatures and the pictures."""
    rows = [("split", "sentences", "BLEU", "chrF", "TER", "BLEU tokenised, lowercased")]
    signatures = {}
    for split, _, _, _, scores, _ in evaluations:
        values = (scores.bleu, scores.chrf, scores.ter, scores.bleu_tokenized_lowercase)
        rows.append((split.name, str(scores.sentences), *(f"{value:.2f}" for value in values)))
        signatures |= {
            f"{rows[0][2]}: {scores.bleu_signature}": None,
            f"{rows[0][3]}: {scores.chrf_signature}": None,
            f"{rows[0][4]}: {scores.ter_signature}": None,
            f"{rows[0][5]}: {scores.bleu_tokenized_lowercase_signature}": None,
        }
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    pictures = [f"alignment: {path}" for e in evaluations for path in e.pictures]
    return [*table, *signatures, *pictures]
