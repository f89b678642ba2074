"""The links of pairs by one model, or by two of opposite directions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from nmt.analysis.links import check_same_words
from nmt.analysis.pharaoh import Link
from nmt.analysis.symmetrize import symmetrize
from nmt.commands.pairs import Part, parts_of
from nmt.commands.several_runs import of_run
from nmt.data.splits import Split

if TYPE_CHECKING:
    from nmt.decoding.methods import AlignmentMethod
    from nmt.decoding.translator import Translator


class Direction(NamedTuple):
    """One of the two models.

    Attributes:
      name: of its run, as the user wrote it.
      translator: the model.
      method: how its alignments are read.
    """

    name: str
    translator: "Translator"
    method: "AlignmentMethod"


def check_directions(forward: Direction, reverse: Direction | None, *, heads: bool = False) -> None:
    """Makes sure that the models can be aligned by their methods.

    Args:
      forward, reverse: the models.
      heads: whether every layer and head is wanted as well.
    Raises:
      NmtError: one of them cannot; where there are two, the message says which.
    """
    directions = [forward] if reverse is None else [forward, reverse]
    names = [direction.name for direction in directions]
    for name, translator, method in directions:
        with of_run(name, names):
            translator.check_method(method, heads=heads)


@dataclass(frozen=True)
class Aligner:
    """What makes links.

    Attributes:
      forward: translates from source to target.
      reverse: translates from target to source; None to do without.
      rule: by which the links of the two become one.
    """

    forward: Direction
    reverse: Direction | None
    rule: str

    def __post_init__(self):
        """Raises NmtError where one of the models cannot be read so."""
        check_directions(self.forward, self.reverse)

    @property
    def num_passes(self) -> int:
        """How often each pair is read."""
        return 1 if self.reverse is None else 2

    def align(self, pairs: Split, advance: Callable[[int], object]) -> Iterator[list[list[Link]]]:
        """The links of pairs in their order, source-target, those of some pairs at a time.

        Args:
          pairs: none of them too long.
          advance: called with how many more lines were read; of each pair `num_passes`.
        Raises:
          NmtError: the models cut a line into other units.
        """
        for part in parts_of(pairs):
            yield self._part(part, advance)

    def _part(self, part: Part, advance: Callable[[int], object]) -> list[list[Link]]:
        here = self.forward.translator.align_all(
            part.source, part.target, method=self.forward.method, progress=advance
        )
        if self.reverse is None:
            return [alignment.links() for alignment in here]
        there = self.reverse.translator.align_all(
            part.target, part.source, method=self.reverse.method, progress=advance
        )
        links = []
        for line, (forward, reverse) in enumerate(zip(here, there, strict=True), part.start + 1):
            check_same_words(forward, reverse, line)
            turned = [(source, target) for target, source in reverse.links()]
            links.append(symmetrize(forward.links(), turned, self.rule))
        return links
