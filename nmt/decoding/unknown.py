"""Unknown pieces of a translation replaced by the source words that they are aligned with.

Luong et al. (2015), "Addressing the rare word problem", https://arxiv.org/abs/1410.8206, and Jean
et al. (2015), https://arxiv.org/abs/1412.2007: a name or a number that a vocabulary lacks is often
the same in both languages. They look the source word up in a dictionary first; here it is always
taken as it is.
"""

from collections.abc import Callable, Sequence

import numpy as np

from nmt.data.vocabulary import Vocabularies
from nmt.decoding.aligning import PieceAlignment, Segmented, segment
from nmt.decoding.finding import Found
from nmt.decoding.scoring import Ids
from nmt.errors import ConfigError

Align = Callable[[list[Ids], list[Ids]], list[PieceAlignment]]  # sources and targets, pair by pair


def words_for_unknown(
    texts: Sequence[str],
    found: Sequence[Sequence[Found]],
    vocabularies: Vocabularies,
    align: Align,
) -> list[list[list[str] | None]]:
    """What takes the place of the unknown pieces of hypotheses.

    Args:
      texts: that were translated.
      found: the hypotheses of each.
      vocabularies: of both sides.
      align: is called once, with the hypotheses that have unknown pieces, or not at all.
    Returns:
      for each hypothesis the words, in the order of its unknown pieces; None where it has none.
    """
    words: list[list[list[str] | None]] = [[None] * len(of_text) for of_text in found]
    unk_id = vocabularies.target.unk_id
    wanting = [
        (i, k)
        for i, of_text in enumerate(found)
        for k, one in enumerate(of_text)
        if unk_id in one.ids
    ]
    if not wanting:
        return words
    sources = [segment(vocabularies.source, texts[i]) for i, _ in wanting]
    targets = [found[i][k].ids for i, k in wanting]
    alignments = align([source.ids for source in sources], targets)
    for (i, k), *pair in zip(wanting, sources, targets, alignments, strict=True):
        words[i][k] = aligned_words(*pair, unk_id)
    return words


def aligned_words(
    source: Segmented, target: Ids, alignment: PieceAlignment, unk_id: int
) -> list[str]:
    """The source words that the unknown pieces of one translation are aligned with, in their order.

    Args:
      source: what was translated.
      target: (T,) the translation, EOS at the end.
      alignment: of the two, between pieces, rows and columns of EOS included.
      unk_id: of the target's vocabulary.
    Returns:
      for each unknown piece, the text of the source piece that its row gives most to; that is a
      word where the vocabulary is of words. EOS, and pieces without text, are never chosen.
    """
    places = [place for place, (start, end) in enumerate(source.spans) if start < end]
    rows = alignment.matrix[np.flatnonzero(np.asarray(target) == unk_id)][:, places]
    spans = [source.spans[places[column]] for column in rows.argmax(axis=1)]
    return [source.text[start:end] for start, end in spans]


def check_replaceable(*, has_attention: bool) -> None:
    """Raises ConfigError where a model cannot tell what an unknown piece is aligned with."""
    if not has_attention:
        raise ConfigError(
            "search.unknown replace needs a model with attention, which says what a piece is "
            "aligned with; this one has none"
        )
