"""nmt plot: the alignment matrix of a sentence and its translation."""

from nmt.commands.arguments import Arguments, CommandParser, open_run
from nmt.commands.models import load_translator
from nmt.errors import DataError, NmtError


def make_parser() -> CommandParser:
    """What the command takes."""
    parser = CommandParser(
        "plot",
        words='RUN "a sentence" --output FILE.png|svg|pdf [search.key=value ...]',
        purpose="Draws which source words the model attended to for each target word, and prints "
        "the translation. Source words are on top, target words at the left; white is 1.",
        examples=[
            'nmt plot runs/quickstart "the cat sleeps ." --output cat.png',
            'nmt plot runs/quickstart "the cat ." --target "le chat ." --output cat.svg',
        ],
    )
    parser.add_argument("--output", metavar="FILE", help="a .png, .svg or .pdf file; required")
    parser.add_argument(
        "--target", metavar="TEXT", help="align with this translation instead of the model's own"
    )
    parser.add_checkpoint()
    return parser


def run(arguments: Arguments) -> int:
    """Draws; see `nmt plot --help`."""
    from nmt.analysis.figures import check_picture_path

    options = arguments.options
    run_path, sentence = arguments.named("RUN", "SENTENCE")
    if options.output is None:
        raise NmtError("--output is missing: a .png, .svg or .pdf file; see nmt plot --help")
    picture = check_picture_path(options.output)
    for text in filter(None, (sentence, options.target)):
        _check_utf8(text)
    if not sentence.split():
        raise DataError("there is nothing to draw: the sentence has no words")
    run_directory, config = open_run(run_path, arguments.overrides, ("search",))

    translator = load_translator(run_directory, options.checkpoint)
    if options.target is not None:
        translator.align(sentence, options.target).plot(picture)
        return 0
    translation = translator.translate(sentence, align=True, search=config.search)
    if not translation.text.split():
        raise DataError("there is nothing to draw: the model's translation has no words")
    translation.alignment.plot(picture)
    print(translation.text)
    return 0


def _check_utf8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"a sentence must be UTF-8; got {text[: error.start + 1]!a}") from None
