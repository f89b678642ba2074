"""nmt align: word links of given pairs, by one run or by two, and how good they are."""

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from nmt.analysis.aer import AlignmentScores, alignment_scores
from nmt.analysis.pharaoh import GoldLinks, check_links, format_links
from nmt.analysis.symmetrize import RULES, check_rule
from nmt.commands.aligner import Aligner, Direction
from nmt.commands.alignment_method import (
    add_method,
    add_reverse_method,
    method_of,
    reverse_method_of,
)
from nmt.commands.alignment_units import add_units, check_units, with_asked_units
from nmt.commands.arguments import Arguments, CommandParser, open_run
from nmt.commands.head_choice import check_choice_options, choose_and_keep
from nmt.commands.link_files import base, check_as_many, place_in, read_gold
from nmt.commands.models import load_translator
from nmt.commands.pairs import add_pairs, emptied, read_pairs, too_long
from nmt.commands.progress import progress
from nmt.commands.text_streams import STANDARD, check_places, open_output, write_lines
from nmt.config.schema import DataConfig
from nmt.data.splits import Split
from nmt.decoding.methods import AlignmentMethod
from nmt.errors import NmtError, RunError
from nmt.runs.directory import RunDirectory
from nmt.runs.seeds import Choice

if TYPE_CHECKING:
    from nmt.data.vocabulary import Vocabulary
    from nmt.decoding.translator import Translator

DEFAULT_RULE = "grow-diag-final-and"


def make_parser() -> CommandParser:
    """What the command takes."""
    parser = CommandParser(
        "align",
        words="RUN --source FILE --target FILE",
        purpose="Writes the word links that the model of RUN finds between each line of --source "
        "and the same line of --target, in Pharaoh format: '0-0 2-1' links source word 0 with "
        "target word 0, and 2 with 1. Words are what white space parts; of a language that is "
        "written without spaces, the vocabulary's pieces. A pair with an empty line has no links. "
        "Files may end in .gz, .xz or .zst.",
        examples=[
            "nmt align runs/en-fr --source a.en --target a.fr --output links.txt",
            "nmt align runs/en-fr --source a.en --target a.fr --reverse runs/fr-en",
            "nmt align runs/a --source a.en --target a.fr --reverse runs/b --reverse-layer 2",
            "nmt align runs/en-fr --source a.en --target a.fr --gold a.talp --gold-base 1 --json",
        ],
    )
    add_pairs(parser)
    parser.add_argument(
        "--output", metavar="FILE", help="write the links there instead of to standard output"
    )
    parser.add_argument(
        "--reverse",
        metavar="RUN",
        help="a run that translates from target to source: its links and those of the first run "
        "are made one; --checkpoint is that of both",
    )
    parser.add_argument(
        "--symmetrize",
        metavar="RULE",
        help=f"how, with --reverse: {', '.join(RULES)} (default: {DEFAULT_RULE})",
    )
    add_method(parser)
    add_reverse_method(parser)
    add_units(parser, unless=" and has no --gold")
    parser.add_argument("--gold", metavar="FILE", help="links that people made, to score against")
    parser.add_argument(
        "--gold-base",
        metavar="0|1",
        type=base,
        help="what --gold counts the first word of a sentence as",
    )
    parser.add_argument(
        "--choose-head",
        action="store_true",
        help="write no links, but find the layer and head whose links agree best with --gold, or "
        "with those of --reverse, and keep the choice in RUN; prints them all, best first",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the scores, or the ranking, as one object; links are written to --output only",
    )
    parser.add_checkpoint()
    parser.add_seed(" of RUN")
    parser.add_seed(" of --reverse", option="--reverse-seed")
    return parser


def run(arguments: Arguments) -> int:
    """Aligns; see `nmt align --help`."""
    options = arguments.options
    (run_path,) = arguments.named("RUN")
    arguments.refuse_overrides()
    _check_options(arguments)
    methods = method_of(arguments) or AlignmentMethod(), reverse_method_of(arguments)
    run_directory, config = open_run(run_path, (), ())
    if options.choose_head and config.training.num_seeds > 1:
        raise NmtError(
            f"--choose-head keeps one choice in a run, and the models of {run_path} have heads of "
            "their own: say --layer and --head with each --seed"
        )
    reverse_directory = None
    if options.reverse is not None:
        reverse_directory = _open_reverse(options.reverse, config.data)
    pairs = read_pairs(arguments)
    gold = _read_gold(arguments, pairs)

    with _open_links(arguments) as file:
        translator = _load(run_directory, arguments, options.seed, ("source", "target"))
        forward, reverse = Direction(run_path, translator, methods[0]), None
        if reverse_directory is not None:
            seed = options.reverse_seed
            translator = _load(reverse_directory, arguments, seed, ("target", "source"))
            reverse = Direction(options.reverse, translator, methods[1])
        if gold is not None:
            _check_gold(gold, pairs, forward.translator, options.gold)
        pairs = _without_long_ones(pairs, forward, reverse)
        if options.choose_head:
            choose_and_keep(run_directory, forward, reverse, pairs, gold, arguments)
            return 0
        aligner = Aligner(forward, reverse, options.symmetrize or DEFAULT_RULE)
        found = []
        shown = file is None or not file.isatty()
        with progress(aligner.num_passes * len(pairs), shown=shown) as advance:
            for part in aligner.align(pairs, advance):
                if file is not None:
                    write_lines(map(format_links, part), file)
                if gold is not None:
                    found += part
    if gold is not None:
        _say_scores(alignment_scores(found, gold), arguments)
    return 0


def _check_options(arguments: Arguments) -> None:
    """Raises NmtError for options that do not go together."""
    options = arguments.options
    arguments.check_named("--reverse", "a run directory")
    if options.symmetrize is not None:
        if options.reverse is None:
            raise NmtError("--symmetrize makes one of two directions: it needs --reverse RUN")
        check_rule(options.symmetrize)
    for name in ("method", "layer", "head", "seed"):
        if getattr(options, f"reverse_{name}") is not None and options.reverse is None:
            raise NmtError(f"--reverse-{name} is that of --reverse RUN, which is missing")
    if options.gold is not None:
        arguments.required("--gold-base", "0 or 1, what --gold counts its first word as")
    elif options.gold_base is not None:
        raise NmtError("--gold-base is that of --gold, which is missing")
    if options.json and options.gold is None and not options.choose_head:
        raise NmtError("--json prints scores: it needs --gold")
    if options.json and options.output == "-":
        raise NmtError("--output - would mix links with the object of --json; name a file")
    check_units(options)
    if options.choose_head:
        check_choice_options(options)
    inputs = {f"--{name}": getattr(options, name) for name in ("source", "target", "gold")}
    inputs = {option: name for option, name in inputs.items() if name is not None}
    check_places(inputs, {"--output": options.output})


def _open_reverse(path: str, data: DataConfig) -> RunDirectory:
    """Opens the run of the other direction."""
    directory, config = open_run(path, (), ())
    wanted = data.target_language, data.source_language
    came = config.data.source_language, config.data.target_language
    if came != wanted:
        raise RunError(
            f"--reverse must translate from {wanted[0]} to {wanted[1]}, the other way than RUN; "
            f"{path} translates from {came[0]} to {came[1]}"
        )
    return directory


def _read_gold(arguments: Arguments, pairs: Split) -> list[GoldLinks] | None:
    """The gold links of the pairs; None where there are none."""
    options = arguments.options
    if options.gold is None:
        return None
    gold = read_gold(options.gold, base=options.gold_base)
    check_as_many(options.source, len(pairs), options.gold, len(gold))
    return gold


def _open_links(arguments: Arguments) -> contextlib.AbstractContextManager[TextIO | None]:
    """Where links are written to; None where they are not, as something else is printed."""
    options = arguments.options
    if options.output in STANDARD and (options.json or options.choose_head):
        return contextlib.nullcontext()
    return open_output(options.output)


def _load(
    directory: RunDirectory, arguments: Arguments, seed: Choice, sides: tuple[str, str]
) -> "Translator":
    """A run's translator, linking what the options say.

    Args:
      directory: of the run.
      arguments: of the call.
      seed: which model of several.
      sides: which of the two files it translates from, and which to.
    """
    options = arguments.options
    translator = load_translator(directory, options.checkpoint, seed)
    return with_asked_units(translator, options, as_gold=options.gold is not None, sides=sides)


def _check_gold(
    gold: Sequence[GoldLinks], pairs: Split, translator: "Translator", name: str
) -> None:
    """Raises DataError for a gold link to a word that is not there."""
    vocabularies, units = translator.vocabularies, translator.units
    for i, of_pair in enumerate(gold):
        num_source = _most_words(pairs.source[i], units.source, vocabularies.source)
        num_target = _most_words(pairs.target[i], units.target, vocabularies.target)
        check_links(sorted(of_pair.possible), num_source, num_target, place_in(name, i + 1))


def _most_words(text: str, unit: str, vocabulary: "Vocabulary") -> int:
    """How many units a line has at most."""
    match unit:
        case "word":
            return len(text.split())
        case "character":
            return sum(not character.isspace() for character in text)
        case _:
            return len(vocabulary.encode(text))


def _without_long_ones(pairs: Split, forward: Direction, reverse: Direction | None) -> Split:
    """The pairs with empty lines in place of those that are too long for one of the models."""
    left_out = too_long(pairs, forward.translator.vocabularies).keys()
    if reverse is not None:
        turned = Split(pairs.name, pairs.target, pairs.source)
        left_out |= too_long(turned, reverse.translator.vocabularies).keys()
    return emptied(pairs, sorted(left_out))


def _say_scores(scores: AlignmentScores, arguments: Arguments) -> None:
    """Prints the scores, on stderr where the links are on stdout."""
    options = arguments.options
    if options.json:
        print(json.dumps(scores.to_dict()))
    else:
        print(scores, file=sys.stderr if options.output in STANDARD else sys.stdout)
