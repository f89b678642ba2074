"""How alignments are read from a model, as options of a command."""

from nmt.commands.arguments import Arguments, CommandParser, whole_number
from nmt.decoding.methods import METHODS, AlignmentMethod
from nmt.errors import NmtError


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


def add_reverse_method(parser: CommandParser) -> None:
    """--reverse-method, --reverse-layer and --reverse-head."""
    parser.add_argument(
        "--reverse-method",
        metavar="NAME",
        help="how links are read from the model of --reverse, if otherwise (default: --method)",
    )
    parser.add_argument(
        "--reverse-layer",
        metavar="L",
        type=whole_number,
        help="its layer (default: --layer; with --reverse-method, the one chosen for that run, or "
        "that of its config)",
    )
    parser.add_argument(
        "--reverse-head",
        metavar="H",
        type=whole_number,
        help="the head of --reverse-layer (default: the mean of its heads)",
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
    name = AlignmentMethod.name if options.method is None else options.method
    return AlignmentMethod(name, options.layer, options.head)


def reverse_method_of(arguments: Arguments) -> AlignmentMethod:
    """What the options say of the run of --reverse: all that they say of RUN, or what is its own.

    Raises:
      NmtError: as `method_of`; or a head without a layer.
    """
    options = arguments.options
    method, layer = options.reverse_method, options.reverse_layer
    first = method_of(arguments) or AlignmentMethod()
    if layer is None and options.reverse_head is not None:
        raise NmtError("--reverse-head needs --reverse-layer, the layer that it is of")
    if method is None and layer is None:
        return first
    name = first.name if method is None else method
    return AlignmentMethod(name, layer, options.reverse_head)
