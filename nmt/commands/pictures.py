"""The pictures of scores: where they can be written, and BLEU by length as it is drawn."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from nmt.commands.evaluations import Evaluation
from nmt.commands.tables import length_unit
from nmt.errors import DataError


def check_folder(folder: Path) -> None:
    """Sees to it, before long work, that a folder is there or can be made, and can be written into.

    Raises:
      DataError: it cannot.
    """
    there = next(place for place in (folder, *folder.parents) if os.path.exists(place))
    if not there.is_dir():
        raise DataError(f"cannot write into {folder}: {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DataError(f"cannot write into {folder}: {os.strerror(errno.EACCES)}")


def draw_by_length(evaluations: Mapping[str, Evaluation], path: Path) -> None:
    """BLEU by source length, a line for each name; of tokenised text, as publications give it.

    Args:
      evaluations: at least one, of one test set, with buckets of the same edges.
      path: of the picture.
    Raises:
      DataError: it cannot be written.
    """
    from nmt.analysis.curves import plot_bleu_by_length

    first = next(iter(evaluations.values()))
    plot_bleu_by_length(
        {name: evaluation.by_length for name, evaluation in evaluations.items()},
        path,
        tokenized_lowercase=first.config.data.tokenized,
        unit=length_unit(first.config.data.source_language),
        title=first.split.name,
    )
