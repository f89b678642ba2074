"""The test sets that a command is to translate: splits of the corpus, or two files."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.commands.arguments import CommandParser
from nmt.config.schema import DataConfig
from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.data.splits import Split


def add_test_set_options(parser: CommandParser) -> None:
    """--split, and --source with --reference."""
    parser.add_argument("--split", metavar="NAME", help="a split of the corpus")
    parser.add_argument("--source", metavar="FILE", help="a file to translate, with --reference")
    parser.add_argument("--reference", metavar="FILE", help="its translation, line by line")


def read_test_sets(options: argparse.Namespace, config: DataConfig) -> list["Split"]:
    """The test sets that the options name: all of data.test where they name none.

    Raises:
      NmtError: options that contradict one another, or a text that cannot be read.
    """
    from nmt.data.corpus import load_split
    from nmt.data.text_files import read_parallel

    if (options.source is None) != (options.reference is None):
        raise NmtError("--source and --reference are given together, or --split, or none of them")
    if options.source is None:
        names = config.test if options.split is None else (options.split,)
        if not names:
            raise NmtError(
                "data.test names no split: --split NAME is wanted, or --source with --reference"
            )
        return [load_split(config, name) for name in dict.fromkeys(names)]
    if options.split is not None:
        raise NmtError("either --split or --source and --reference are given, not both")
    source, reference = Path(options.source), Path(options.reference)
    name = source.name.encode(errors="replace").decode()  # it may hold any bytes
    split = read_parallel(name, source, reference)
    if not len(split):
        raise NmtError(f"{source} is empty; wanted one line or more")
    return [split]
