"""How alignments are read from a model, as options of a command."""

from nmt.commands.arguments import Arguments, CommandParser, whole_number
from nmt.decoding.methods import METHODS, AlignmentMethod


def add_method(parser: CommandParser) -> None:
    """--method, --layer and --head."""
    parser.add_argument(
        "--method",
        metavar="NAME",
        help=f"how links are read from the model: {', '.join(METHODS)} "
        f"(default: {AlignmentMethod.name})",
    )
    parser.add_argument(
        "--layer",
        metavar="L",
        type=whole_number,
        help="the decoder layer, from 0, or from the end with -1 (default: the one that was chosen "
        "for the run, or that of its config)",
    )
    parser.add_argument(
        "--head",
        metavar="H",
        type=whole_number,
        help="the head of that layer, from 0 (default, with --layer: the mean of its heads)",
    )


def method_of(arguments: Arguments) -> AlignmentMethod | None:
    """What the options say; None where none of them is given.

    Raises:
      NmtError: there is no such method, or its parts do not go together.
    """
    options = arguments.options
    given = options.method, options.layer, options.head
    if given == (None, None, None):
        return None
    return AlignmentMethod(options.method or AlignmentMethod.name, options.layer, options.head)
