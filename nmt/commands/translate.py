"""nmt translate: a filter from lines to translations."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TextIO

from nmt.commands.arguments import Arguments, CommandParser, open_run, positive
from nmt.commands.models import load_translator
from nmt.commands.progress import progress
from nmt.commands.text_streams import is_terminal, iter_standard_input, open_output, read_text

if TYPE_CHECKING:
    from nmt.decoding.translation import Translation

CHUNK = 4096  # lines sorted by length together, and written together


def make_parser() -> CommandParser:
    """What the command takes."""
    parser = CommandParser(
        "translate",
        words="RUN [FILE] [search.key=value ...]",
        purpose="Translates FILE, or standard input, line by line: line i of the output is the "
        "translation of line i of the input, and an empty line stays empty. Files may end in "
        ".gz, .xz or .zst. search.key=value changes the search, as search.beam_size=1 does.",
        examples=[
            "nmt translate runs/quickstart < english.txt > french.txt",
            "nmt translate runs/quickstart english.txt.gz --output french.txt.gz",
            "nmt translate runs/quickstart english.txt --n-best 3 search.beam_size=10",
        ],
    )
    parser.add_argument(
        "--output", metavar="FILE", help="write there instead of to standard output"
    )
    parser.add_argument(
        "--n-best",
        metavar="N",
        type=positive,
        help="write the N best translations of each line as "
        "'index ||| text ||| score', index from 0",
    )
    parser.add_checkpoint()
    return parser


def run(arguments: Arguments) -> int:
    """Translates; see `nmt translate --help`."""
    options = arguments.options
    run_path, file = arguments.named("RUN", optional=("FILE",))
    run_directory, config = open_run(run_path, arguments.overrides, ("search",))
    typed = is_terminal(file)
    lines = [] if typed else read_text(file)
    with open_output(options.output) as output:
        translator = load_translator(run_directory, options.checkpoint)
        translate = partial(
            translator.translate, search=config.search, num_hypotheses=options.n_best or 1
        )
        index = 0
        if typed:  # an answer to each line
            for line in iter_standard_input():
                _write(output, index, translate([line])[0], options.n_best)
                output.flush()
                index += 1
            return 0
        with progress(len(lines), shown=not output.isatty()) as advance:
            for chunk in _chunks(lines, config.search.method):
                for translation in translate(chunk, progress=advance):
                    _write(output, index, translation, options.n_best)
                    index += 1
                output.flush()
    return 0


def _chunks(lines: list[str], method: str) -> Iterator[list[str]]:
    """Parts to translate at a time; all lines for sampling, which draws by the line's index."""
    size = CHUNK if method == "beam" else max(len(lines), 1)
    rest = iter(lines)
    while chunk := list(islice(rest, size)):
        yield chunk


def _write(output: TextIO, index: int, translation: "Translation", n_best: int | None) -> None:
    """One line, or the n-best list of one."""
    if n_best is None:
        print(translation.text, file=output)
        return
    for hypothesis in translation.hypotheses[:n_best]:
        print(f"{index} ||| {hypothesis.text} ||| {hypothesis.score:.6f}", file=output)
