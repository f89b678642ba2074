"""nmt align --choose-head: which layer and head are the alignment of a run."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nmt.analysis.pharaoh import GoldLinks
from nmt.commands.aligner import Direction, check_directions
from nmt.commands.arguments import Arguments
from nmt.commands.progress import progress
from nmt.data.splits import Split
from nmt.errors import NmtError
from nmt.runs.directory import RunDirectory

if TYPE_CHECKING:
    from nmt.decoding.heads import RankedHead


def check_choice_options(options: argparse.Namespace) -> None:
    """Raises NmtError for options of `nmt align` that leave nothing to choose, or no way to."""
    if (options.gold is None) == (options.reverse is None):
        raise NmtError("--choose-head chooses by --gold or by --reverse: one of them is needed")
    if options.layer is not None or options.head is not None:
        raise NmtError("--choose-head chooses --layer and --head; they cannot be given")
    for name in ("method", "layer", "head"):
        if getattr(options, f"reverse_{name}") is not None:
            raise NmtError(
                "--choose-head reads both runs by --method, each head of one with each of the "
                f"other: --reverse-{name} has no use"
            )
    for name in ("output", "symmetrize"):
        if getattr(options, name) is not None:
            raise NmtError(f"--choose-head writes no links: --{name} has no use")


def choose_and_keep(
    run: RunDirectory,
    forward: Direction,
    reverse: Direction | None,
    pairs: Split,
    gold: Sequence[GoldLinks] | None,
    arguments: Arguments,
) -> None:
    """Ranks all layers and heads, keeps the best in the run, and prints the ranking.

    Args:
      run: that keeps the choice.
      forward: its model, and the method that a layer and head are chosen for.
      reverse: that of the other direction, where there is no gold.
      pairs: to choose on.
      gold: links of the pairs that people made; None where there are none.
      arguments: of the call.
    Raises:
      NmtError: there is nothing to choose, or nothing to choose by.
    """
    from nmt.decoding.heads import choose_head, save_choice

    options, method = arguments.options, forward.method
    check_directions(forward, reverse, heads=True)
    with run.locked():
        with progress(len(pairs)) as advance:
            ranking = choose_head(
                forward.translator,
                pairs.source,
                pairs.target,
                method=method.name,
                gold=gold,
                reverse=reverse and reverse.translator,
                progress=advance,
            )
        save_choice(run, method, ranking[0])
    if options.json:
        heads = [{"layer": one.layer, "head": one.head, "aer": one.aer} for one in ranking]
        print(json.dumps({"method": method.name, **heads[0], "ranking": heads}))
        return
    print("\n".join(_table(ranking)))
    by = options.gold or f"the links of {reverse.name}"
    print(f"chosen by {by} for --method {method.name}, and kept in {run.alignment_file}")


def _table(ranking: Sequence["RankedHead"]) -> list[str]:
    """A line for each, best first."""
    rows = [
        f"{one.layer:>5}  {'mean' if one.head is None else one.head:>4}  {one.aer:>7.2%}"
        for one in ranking
    ]
    return ["layer  head      AER", *rows]
