"""The alignment error rate: links against the sure and possible ones that people made.

With A the links, S the sure ones and P the possible ones, of which S is a part (Och and Ney 2003,
section 5), all counted over all sentences together:

    precision = |A P| / |A|     recall = |A S| / |S|     AER = 1 - (|A S| + |A P|) / (|A| + |S|)
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from nmt.analysis.pharaoh import GoldLinks, Link
from nmt.errors import DataError


@dataclass(frozen=True)
class AlignmentScores:
    """How well links agree with gold ones.

    Attributes:
      aer, precision, recall: fractions. Where there is nothing to be wrong, as in the precision of
        no links, precision and recall are 1 and AER is 0.
      num_links, num_sure, num_possible: over all sentences; the sure ones are possible too.
      sentences: how many there are.
    """

    aer: float
    precision: float
    recall: float
    num_links: int
    num_sure: int
    num_possible: int
    sentences: int

    def to_dict(self) -> dict[str, float | int]:
        """All of it, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """One line, in per cent."""
        sentences = "1 sentence" if self.sentences == 1 else f"{self.sentences} sentences"
        return (
            f"AER {self.aer:.2%}, precision {self.precision:.2%}, recall {self.recall:.2%} "
            f"({self.num_links} links against {self.num_sure} sure of {self.num_possible} "
            f"possible ones in {sentences})"
        )


def alignment_scores(links: Sequence[Iterable[Link]], gold: Sequence[GoldLinks]) -> AlignmentScores:
    """Scores the links of sentences against gold ones.

    Args:
      links: those of each sentence; one that comes twice counts once.
      gold: of the same sentences.
    Raises:
      DataError: they are not equally many.
    """
    if len(links) != len(gold):
        raise DataError(
            f"gold links for each sentence are wanted; got links of {len(links)} sentences and "
            f"gold links of {len(gold)}"
        )
    sets = [set(of_sentence) for of_sentence in links]
    num_links = sum(map(len, sets))
    num_sure = sum(len(people.sure) for people in gold)
    right = sum(len(people.possible & found) for found, people in zip(sets, gold, strict=True))
    surely = sum(len(people.sure & found) for found, people in zip(sets, gold, strict=True))
    return AlignmentScores(
        aer=1 - _share(right + surely, num_links + num_sure),
        precision=_share(right, num_links),
        recall=_share(surely, num_sure),
        num_links=num_links,
        num_sure=num_sure,
        num_possible=sum(len(people.possible) for people in gold),
        sentences=len(gold),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
