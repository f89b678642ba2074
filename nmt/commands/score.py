"""nmt score: what a model says of given translations."""

from typing import TYPE_CHECKING

from nmt.commands.arguments import Arguments, CommandParser, open_run
from nmt.commands.models import load_translator
from nmt.commands.pairs import MOST_PIECES, add_pairs, parts_of, read_pairs, too_long
from nmt.commands.progress import progress
from nmt.commands.text_streams import check_places, open_output, write_lines
from nmt.data.splits import Split
from nmt.errors import DataError

if TYPE_CHECKING:
    from nmt.decoding.translator import Translator


def make_parser() -> CommandParser:
    """What the command takes."""
    parser = CommandParser(
        "score",
        words="RUN --source FILE --target FILE",
        purpose="Writes the log-probability (natural logarithm) that the model of RUN gives to "
        "each line of --target as the translation of the same line of --source, a number a line. "
        "It is summed over the pieces of the translation and its end, and not normalised by "
        "length. Files may end in .gz, .xz or .zst.",
        examples=[
            "nmt score runs/quickstart --source english.txt --target french.txt",
            "nmt score runs/quickstart --source a.en.gz --target a.fr.gz --output log_probs.txt",
        ],
    )
    add_pairs(parser)
    parser.add_argument(
        "--output", metavar="FILE", help="write there instead of to standard output"
    )
    parser.add_checkpoint()
    parser.add_seed()
    return parser


def run(arguments: Arguments) -> int:
    """Scores; see `nmt score --help`."""
    options = arguments.options
    (run_path,) = arguments.named("RUN")
    arguments.refuse_overrides()
    run_directory, _ = open_run(run_path, (), ())
    pairs = read_pairs(arguments)
    files = {"--source": options.source, "--target": options.target}
    check_places(files, {"--output": options.output})
    with open_output(options.output) as output:
        translator = load_translator(run_directory, options.checkpoint, options.seed)
        _check_lengths(pairs, translator, options.source, options.target)
        with progress(len(pairs), shown=not output.isatty()) as advance:
            for part in parts_of(pairs):
                found = translator.log_probs(part.source, part.target, progress=advance)
                write_lines((f"{log_prob:.6f}" for log_prob in found), output)
    return 0


def _check_lengths(pairs: Split, translator: "Translator", source: str, target: str) -> None:
    """Raises DataError where a pair is too long to be scored, before any is."""
    found = too_long(pairs, translator.vocabularies)
    for i, num_pieces in found.items():
        raise DataError(
            f"{source} and {target}, line {i + 1}: at most {MOST_PIECES} pieces a side can be "
            f"scored; got {num_pieces}"
        )
