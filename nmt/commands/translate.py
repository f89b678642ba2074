"""nmt translate: a filter from lines to translations."""

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, TextIO

from nmt.analysis.pharaoh import format_links
from nmt.commands.alignment_method import add_method, method_of
from nmt.commands.alignment_units import add_units, check_units, with_asked_units
from nmt.commands.arguments import Arguments, CommandParser, open_run, positive
from nmt.commands.models import load_translator
from nmt.commands.progress import progress
from nmt.commands.text_streams import (
    CHUNK,
    check_places,
    is_terminal,
    iter_standard_input,
    open_output,
    read_text,
)
from nmt.decoding.methods import AlignmentMethod
from nmt.errors import NmtError
from nmt.runs.seeds import chosen

if TYPE_CHECKING:
    from nmt.decoding.translation import Translation


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
            "nmt translate runs/quickstart english.txt --alignments links.txt",
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
    parser.add_argument(
        "--alignments",
        metavar="FILE",
        help="write the word links of the translations there, such as '0-0 2-1', a line for each "
        "line of the output; source words first, both counted from 0",
    )
    add_method(parser)
    add_units(parser)
    parser.add_checkpoint()
    parser.add_seed()
    return parser


def run(arguments: Arguments) -> int:
    """Translates; see `nmt translate --help`."""
    options = arguments.options
    run_path, file = arguments.named("RUN", optional=("FILE",))
    run_directory, config = open_run(run_path, arguments.overrides, ("search",))
    method = _method(arguments)
    chosen(run_directory, config.training, options.seed)  # before any line is read
    outputs = {"--output": options.output}
    if options.alignments is not None:
        outputs["--alignments"] = options.alignments
    check_places({"FILE": file}, outputs)
    typed = is_terminal(file)
    lines = [] if typed else read_text(file)
    with open_output(options.output) as output, _open_links(options.alignments) as links:
        translator = load_translator(run_directory, options.checkpoint, options.seed)
        translator = with_asked_units(translator, options)
        if method is not None:
            translator.check_method(method)
        translate = partial(
            translator.translate,
            align=method is not None,
            method=method,
            search=config.search,
            num_hypotheses=options.n_best or 1,
        )
        writer = _Writer(output, links, options.n_best)
        if typed:  # an answer to each line
            for number, line in enumerate(iter_standard_input()):
                writer.write(translate([line], first_line=number))
            return 0
        with progress(len(lines), shown=not output.isatty()) as advance:
            for first in range(0, len(lines), CHUNK):
                chunk = lines[first : first + CHUNK]
                writer.write(translate(chunk, first_line=first, progress=advance))
    return 0


def _method(arguments: Arguments) -> AlignmentMethod | None:
    """How links are read; None where none are wanted."""
    options, method = arguments.options, method_of(arguments)
    check_units(options)
    if options.alignments is None:
        if method is not None:
            raise NmtError("--method, --layer and --head are those of --alignments FILE")
        if options.source_unit or options.target_unit:
            raise NmtError("--source-unit and --target-unit are those of --alignments FILE")
        return None
    return method or AlignmentMethod()


def _open_links(name: str | None) -> contextlib.AbstractContextManager[TextIO | None]:
    return contextlib.nullcontext() if name is None else open_output(name)


class _Writer:
    """Writes translations, and their links beside them."""

    def __init__(self, output: TextIO, links: TextIO | None, n_best: int | None):
        """Args: where both go, and how many translations of a line are listed, None for no list."""
        self._output, self._links, self._n_best = output, links, n_best
        self._index = 0  # of the next line

    def write(self, translations: Sequence["Translation"]) -> None:
        """Writes those of the next lines: one line each, or an n-best list each."""
        for index, translation in enumerate(translations, self._index):
            for hypothesis in translation.hypotheses[: self._n_best or 1]:
                text = hypothesis.text
                if self._n_best is not None:
                    text = f"{index} ||| {text} ||| {hypothesis.score:.6f}"
                print(text, file=self._output)
                if self._links is not None:
                    alignment = hypothesis.alignment  # None for an empty line
                    found = [] if alignment is None else alignment.links()
                    print(format_links(found), file=self._links)
        self._index += len(translations)
        for file in filter(None, (self._output, self._links)):
            file.flush()
