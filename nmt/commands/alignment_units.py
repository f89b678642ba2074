"""What is linked, as options of a command: words, pieces or characters of either side."""

from argparse import Namespace
from typing import TYPE_CHECKING

from nmt.commands.arguments import CommandParser

if TYPE_CHECKING:
    from nmt.decoding.translator import Translator

SIDES = ("source", "target")


def add_units(parser: CommandParser, unless: str = "") -> None:
    """--source-unit and --target-unit.

    Args:
      parser: of a command.
      unless: where the default is word in every language; begins with a space.
    """
    for side in SIDES:
        parser.add_argument(
            f"--{side}-unit",
            metavar="UNIT",
            help="what is linked: word, piece or character (default: word, but piece in a language "
            f"that is written without spaces{unless})",
        )


def check_units(options: Namespace) -> None:
    """Raises NmtError where one of the two options names no unit."""
    from nmt.analysis.links import check_unit

    for unit in (options.source_unit, options.target_unit):
        if unit is not None:
            check_unit(unit)


def with_asked_units(
    translator: "Translator",
    options: Namespace,
    *,
    as_gold: bool = False,
    sides: tuple[str, str] = SIDES,
) -> "Translator":
    """The translator, linking what the options say.

    Args:
      translator: of a run.
      options: of the call.
      as_gold: whether words are linked in every language where they do not say, as gold links do;
        else it is what the translator links.
      sides: which of the two options is that of the translator's source, and which of its target.
    """
    asked = [getattr(options, f"{side}_unit") for side in sides]
    usual = ("word", "word") if as_gold else translator.units
    units = zip(asked, usual, strict=True)
    return translator.with_units(*(other if unit is None else unit for unit, other in units))
