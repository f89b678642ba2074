"""The mean of what several seeds gave, and how far they lie apart."""

from collections.abc import Iterable, Sequence

import numpy as np


def mean(values: Iterable[float]) -> float:
    """Of one number or more."""
    return float(np.mean(list(values)))


def deviation(values: Iterable[float]) -> float | None:
    """The standard deviation of a sample, over n - 1; None where there is but one number."""
    values = list(values)
    return None if len(values) == 1 else float(np.std(values, ddof=1))


def in_words(values: Sequence[float], form: str = ".2f") -> str:
    """The number that there is, or "mean ± standard deviation" of several.

    Args:
      values: one or more.
      form: of each number, as `format` takes it.
    """
    shown = format(mean(values), form)
    return shown if len(values) == 1 else f"{shown} ± {deviation(values):{form}}"
