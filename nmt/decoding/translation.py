"""What a translator gives: a text with its scores, its rivals and its alignment."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nmt.analysis.alignment import Alignment


@dataclass(frozen=True)
class Hypothesis:
    """One of the n best translations of a line.

    Attributes:
      text: the translation.
      score: its log_prob after length normalisation.
      log_prob: summed over its pieces, EOS included.
    """

    text: str
    score: float
    log_prob: float


@dataclass(frozen=True)
class Translation:
    """The translation of a line; in a notebook it shows itself as text and alignment matrix.

    Attributes:
      source: the line as it was given.
      text, score, log_prob: of the best hypothesis; "", 0 and 0 for an empty line.
      hypotheses: the n best, best first; several may have the same text, in other pieces.
      alignment: between the words of source and text; None where it was not asked for, where the
        model has no attention and for an empty line.
    """

    source: str
    text: str
    score: float
    log_prob: float
    hypotheses: list[Hypothesis] = field(repr=False)
    alignment: Alignment | None = field(default=None, repr=False)

    def _repr_html_(self) -> str:
        """The text, and the matrix as a picture within the page. No markup of the text survives."""
        shown = f"<p>{html.escape(self.source)}<br><b>{html.escape(self.text)}</b></p>"
        if self.alignment is None:
            return shown
        png = self.alignment._repr_png_()
        if png is None:  # there are no words to align
            return shown
        picture = base64.b64encode(png).decode("ascii")
        return f'{shown}<img alt="alignment" src="data:image/png;base64,{picture}">'


def join_alignments(alignments: Sequence[Alignment]) -> Alignment:
    """The alignment of a line from those of its parts, each target word within its own part."""
    if len(alignments) == 1:
        return alignments[0]
    source_words = [word for part in alignments for word in part.source_words]
    target_words = [word for part in alignments for word in part.target_words]
    matrix = np.zeros((len(target_words), len(source_words)))
    row = column = 0
    for part in alignments:
        num_rows, num_columns = part.matrix.shape
        matrix[row : row + num_rows, column : column + num_columns] = part.matrix
        row, column = row + num_rows, column + num_columns
    eos = np.concatenate([part.eos for part in alignments])
    return Alignment(source_words, target_words, matrix, eos)
