"""nmt aer: how well a file of word links agrees with the links that people made."""

import json

from nmt.commands.arguments import Arguments, CommandParser
from nmt.commands.link_files import base, check_as_many, read_gold, read_links
from nmt.commands.text_streams import STANDARD
from nmt.errors import NmtError


def make_parser() -> CommandParser:
    """What the command takes."""
    parser = CommandParser(
        "aer",
        words="LINKS --gold GOLD --links-base 0|1 --gold-base 0|1",
        purpose="Scores the word links of the file LINKS, such as '0-0 2-1' on the line of a pair, "
        "against gold ones: alignment error rate, precision and recall (Och and Ney 2003). In GOLD "
        "'2-1' is a sure link, '2p1' or '2?1' one that is possible only. Files may end in .gz, .xz "
        "or .zst; '-' is standard input.",
        examples=[
            "nmt aer links.txt --gold gold.talp.gz --links-base 0 --gold-base 1",
            "nmt aer backwards.txt --reverse --gold gold.txt --links-base 0 --gold-base 0 --json",
        ],
    )
    parser.add_argument("--gold", metavar="FILE", help="the links that people made; required")
    for option, file in (("--links-base", "LINKS"), ("--gold-base", "the gold file")):
        parser.add_argument(
            option,
            metavar="0|1",
            type=base,
            help=f"what {file} counts the first word of a sentence as; required",
        )
    parser.add_argument(
        "--reverse", action="store_true", help="LINKS has target-source, as a reverse run writes it"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one object, with aer, precision and recall as fractions",
    )
    return parser


def run(arguments: Arguments) -> int:
    """Scores; see `nmt aer --help`."""
    from nmt.analysis.aer import alignment_scores

    options = arguments.options
    (file,) = arguments.named("LINKS")
    arguments.refuse_overrides()
    gold_file = arguments.required("--gold", "the file of gold links")
    links_base = arguments.required("--links-base", "0 or 1, what LINKS counts its first word as")
    gold_base = arguments.required("--gold-base", "0 or 1, what --gold counts its first word as")

    if file in STANDARD and gold_file in STANDARD:
        raise NmtError("LINKS and --gold are both standard input; one of them must be a file")
    links = read_links(file, base=links_base, reverse=options.reverse)
    gold = read_gold(gold_file, base=gold_base)
    check_as_many(file, len(links), gold_file, len(gold))
    scores = alignment_scores(links, gold)
    print(json.dumps(scores.to_dict()) if options.json else scores)
    return 0
