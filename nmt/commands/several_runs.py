"""Calls that name several runs: whether these go together, and which of them a mistake is of."""

import contextlib
import os
from collections.abc import Iterator, Sequence

from nmt.config.schema import Config
from nmt.errors import NmtError


@contextlib.contextmanager
def of_run(name: str, names: Sequence[str]) -> Iterator[None]:
    """Lets what goes wrong inside say which of several runs is meant.

    Args:
      name: of the run, as the user wrote it.
      names: of all runs of the call; where it is the only one, nothing is added.
    """
    try:
        yield
    except NmtError as error:
        if len(names) == 1:
            raise
        raise NmtError(f"{name}: {error}") from None


def check_different(names: Sequence[str]) -> None:
    """Raises NmtError where two of the names are one run, however they are written."""
    places = [os.path.realpath(name) for name in names]
    for i, place in enumerate(places):
        if place in places[:i]:
            raise NmtError(f"run {names[i]} is given twice; wanted different runs")


def check_same_languages(names: Sequence[str], configs: Sequence[Config]) -> None:
    """Raises NmtError for a run that translates between other languages than the first."""
    pairs = [f"{c.data.source_language}-{c.data.target_language}" for c in configs]
    for name, pair in zip(names, pairs, strict=True):
        if pair != pairs[0]:
            raise NmtError(
                f"runs of one pair of languages can be compared; {names[0]} translates {pairs[0]} "
                f"and {name} {pair}"
            )
