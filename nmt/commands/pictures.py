"""The pictures of scores: where they can be written, and BLEU by length as it is drawn."""

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nmt.commands.evaluations import Evaluation
from nmt.commands.tables import length_unit
from nmt.errors import DataError


def check_folder(folder: Path) -> None:
    """Sees to it, before long work, that a folder is there or can be made, and can be written into.

    It is tried, since permissions do not tell all; in the end everything is as it was.

    Raises:
      DataError: it cannot.
    """
    made = []
    try:
        for place in (*reversed(folder.parents), folder):
            if not place.exists():
                place.mkdir()
                made.append(place)
            elif not place.is_dir():
                raise DataError(f"cannot write into {folder}: {place} is no folder")
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise DataError(f"cannot write into {folder}: {error.strerror}") from None
    finally:
        for place in reversed(made):
            with contextlib.suppress(OSError):  # another program may have put something there
                place.rmdir()


def check_place(path: Path) -> None:
    """Sees to it, before long work, that a file can be written, as `check_folder` does.

    Raises:
      DataError: it cannot.
    """
    check_folder(path.parent)
    if path.is_dir():
        raise DataError(f"cannot write {path}: it is a folder")


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
        unit=length_unit(first.config.data),
        title=first.split.name,
    )
