"""nmt plot: the alignment matrix of a sentence and its translation, as a picture or a page."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.commands.alignment_method import add_method, method_of
from nmt.commands.alignment_units import add_units, check_units, with_asked_units
from nmt.commands.arguments import Arguments, CommandParser, open_run
from nmt.commands.models import load_translator
from nmt.commands.pictures import check_place
from nmt.commands.several_runs import check_different, check_same_languages, of_run
from nmt.config.schema import SearchConfig
from nmt.decoding.methods import METHODS, AlignmentMethod
from nmt.errors import DataError, NmtError

if TYPE_CHECKING:
    from nmt.analysis.alignment import Alignment
    from nmt.analysis.pharaoh import GoldLinks
    from nmt.decoding.translator import Translator

_SUFFIXES = ".png, .svg, .pdf or .html"


def make_parser() -> CommandParser:
    """What the command takes."""
    parser = CommandParser(
        "plot",
        words='RUN "a sentence" --output FILE.png|svg|pdf|html [search.key=value ...]',
        purpose="Draws which source words the model attended to for each target word, and prints "
        "the translation. Source words are on top, target words at the left; white is 1. An "
        ".html file is a page to look into, which needs no server.",
        examples=[
            'nmt plot runs/quickstart "the cat sleeps ." --output cat.png',
            'nmt plot runs/quickstart "the cat ." --target "le chat ." --output cat.svg',
            'nmt plot runs/transformer "the cat sleeps ." --heads --output heads.pdf',
            'nmt plot runs/gru "the cat ." --compare runs/transformer --output two.pdf',
            'nmt plot runs/gru "the cat ." --target "le chat ." --gold "0-0 1-1 2-2" --links '
            "--output gold.png",
        ],
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help=f"a file, {_SUFFIXES}; required; a folder that is missing is made",
    )
    parser.add_argument(
        "--target", metavar="TEXT", help="align with this translation instead of the model's own"
    )
    add_method(parser)
    add_units(parser, unless=" and has no --gold")
    parser.add_argument(
        "--heads", action="store_true", help="every layer and head; sliders in an .html file"
    )
    parser.add_argument(
        "--compare",
        metavar="RUN2",
        action="append",
        default=[],
        help="the model of another run (its best checkpoint, its first seed) beside the first, on "
        "the same translation; may be repeated",
    )
    parser.add_argument(
        "--compare-method",
        metavar="NAME",
        action="append",
        default=[],
        help=f"another method beside the first: {', '.join(METHODS)}; may be repeated",
    )
    parser.add_argument(
        "--gold",
        metavar="LINKS",
        help="links to draw in as frames, words counted from 0: '0-0 1-2' sure ones, '2p3' a "
        "possible one; needs --target",
    )
    parser.add_argument(
        "--links", action="store_true", help="draw the links of the model as dots, in a picture"
    )
    parser.add_checkpoint()
    parser.add_seed(" of RUN")
    return parser


def run(arguments: Arguments) -> int:
    """Draws; see `nmt plot --help`."""
    from nmt.analysis.pharaoh import parse_gold

    options = arguments.options
    run_path, sentence = arguments.named("RUN", "SENTENCE")
    output = Path(arguments.required("--output", f"a file, {_SUFFIXES}"))
    _check(options, output, sentence)
    if options.target is not None:
        arguments.refuse_overrides("with --target, as nothing is searched for")
    gold = None if options.gold is None else parse_gold(options.gold, "--gold")
    methods = _methods(arguments)
    paths = [run_path, *options.compare]
    check_different(paths)
    check_place(output)
    directory, config = open_run(run_path, arguments.overrides, ("search",))
    others = [open_run(path, [], ()) for path in options.compare]
    check_same_languages(paths, [config, *(config for _, config in others)])

    translators = [load_translator(directory, options.checkpoint, options.seed)]
    translators += [load_translator(other, "best") for other, _ in others]
    as_gold = options.gold is not None
    translators = [with_asked_units(each, options, as_gold=as_gold) for each in translators]
    for path, translator in zip(paths, translators, strict=True):
        with of_run(path, paths):
            for method in methods:
                translator.check_method(method, heads=options.heads)
    target, alignments = _align(translators, methods, sentence, config.search, options)
    _draw(dict(zip(_names(paths, methods), alignments, strict=True)), output, gold, options)
    if options.target is None:
        print(target)
    return 0


def _align(
    translators: "Sequence[Translator]",
    methods: Sequence[AlignmentMethod],
    sentence: str,
    search: SearchConfig,
    options: Namespace,
) -> "tuple[str, list[Alignment]]":
    """The translation, given or of the first model, and its alignment by all models and methods."""
    (first, method), *rest = [(t, method) for t in translators for method in methods]
    reading = {"method": method, "heads": options.heads}
    if options.target is not None:
        target, alignment = options.target, first.align(sentence, options.target, **reading)
    else:  # in the very pieces that the search chose
        translation = first.translate(sentence, align=True, search=search, **reading)
        target, alignment = translation.text, translation.alignment
        if not target.split():
            raise DataError("there is nothing to draw: the model's translation has no words")
    others = [t.align(sentence, target, method=m, heads=options.heads) for t, m in rest]
    return target, [alignment, *others]


def _check(options: Namespace, output: Path, sentence: str) -> None:
    """Raises NmtError for what is wrong whatever the model."""
    from nmt.analysis.figures import check_picture_path

    if not _is_page(output):
        check_picture_path(output, f"a picture or page is written as {_SUFFIXES}")
    for text in filter(None, (sentence, options.target)):
        _check_utf8(text)
    if not sentence.split():
        raise DataError("there is nothing to draw: the sentence has no words")
    if options.target is not None and not options.target.split():
        raise DataError("there is nothing to draw: the translation has no words")
    check_units(options)
    if options.gold is not None and options.target is None:
        raise NmtError("--gold needs --target, the translation whose words it links")
    if options.links and _is_page(output):
        raise NmtError(f"--links is for pictures: a page such as {output} can show links by itself")
    if options.heads and not _is_page(output) and (options.compare or options.compare_method):
        raise NmtError(
            "--heads fills a picture with one model; leave out --compare and --compare-method, or "
            "write an .html file"
        )


def _check_utf8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"a sentence must be UTF-8; got {text[: error.start + 1]!a}") from None


def _methods(arguments: Arguments) -> list[AlignmentMethod]:
    """Those to be shown, that of --method first."""
    first = method_of(arguments) or AlignmentMethod()
    others = [replace(first, name=name) for name in arguments.options.compare_method]
    names = [method.name for method in (first, *others)]
    for name in names:
        if names.count(name) > 1:
            raise NmtError(f"wanted another method to compare with; got {name} twice")
    return [first, *others]


def _names(paths: Sequence[str], methods: Sequence[AlignmentMethod]) -> list[str]:
    """What stands above each matrix: what tells it from the others."""
    runs = [Path(path).resolve().name for path in paths]
    if len(set(runs)) < len(runs):
        runs = list(paths)
    if len(methods) == 1:
        return runs
    if len(runs) == 1:
        return [method.name for method in methods]
    return [f"{run}, {method.name}" for run in runs for method in methods]


def _draw(
    alignments: Mapping[str, "Alignment"],
    output: Path,
    gold: "GoldLinks | None",
    options: Namespace,
) -> None:
    """Writes the picture or page of alignments by their names."""
    first = next(iter(alignments.values()))
    if _is_page(output):
        _write_page(alignments, output, gold)
    elif options.heads:
        from nmt.analysis.matrix_grid import plot_heads

        plot_heads(first, output, gold=gold, links=options.links)
    elif len(alignments) > 1:
        from nmt.analysis.matrix_plot import plot_side_by_side

        plot_side_by_side(alignments, output, gold=gold, links=options.links)
    else:
        from nmt.analysis.matrix_plot import plot_alignment

        links = first.links() if options.links else None
        plot_alignment(first, output, gold=gold, links=links)


def _write_page(
    alignments: Mapping[str, "Alignment"], output: Path, gold: "GoldLinks | None"
) -> None:
    """One page, on which several alignments are leafed through."""
    from nmt.analysis.matrix_html import alignment_html, alignments_html, save_page

    if len(alignments) == 1:
        page = alignment_html(*alignments.values(), gold=gold)
    else:
        of_each = None if gold is None else [gold] * len(alignments)
        page = alignments_html(list(alignments.values()), list(alignments), gold=of_each)
    save_page(page, output)


def _is_page(output: Path) -> bool:
    return output.suffix.lower() in (".html", ".htm")
