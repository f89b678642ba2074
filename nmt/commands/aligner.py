"""The links of pairs by one model, or by two of opposite directions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nmt.analysis.pharaoh import Link
from nmt.analysis.symmetrize import symmetrize
from nmt.commands.pairs import Part, parts_of
from nmt.data.cleaning import to_nfc
from nmt.data.splits import Split
from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.analysis.alignment import Alignment
    from nmt.decoding.methods import AlignmentMethod
    from nmt.decoding.translator import Translator


@dataclass(frozen=True)
class Aligner:
    """What makes links.

    Attributes:
      forward: translates from source to target.
      reverse: translates from target to source; None to do without.
      rule: by which the links of the two become one.
      method: how both are read.
    """

    forward: "Translator"
    reverse: "Translator | None"
    rule: str
    method: "AlignmentMethod"

    def __post_init__(self):
        """Raises NmtError where one of the models cannot be read so."""
        for translator in filter(None, (self.forward, self.reverse)):
            translator.check_method(self.method)

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
        here = self.forward.align_all(
            part.source, part.target, method=self.method, progress=advance
        )
        if self.reverse is None:
            return [alignment.links() for alignment in here]
        there = self.reverse.align_all(
            part.target, part.source, method=self.method, progress=advance
        )
        links = []
        for i, (forward, reverse) in enumerate(zip(here, there, strict=True)):
            _check_same_words(forward, reverse, part.start + i + 1)
            turned = [(source, target) for target, source in reverse.links()]
            links.append(symmetrize(forward.links(), turned, self.rule))
        return links


def _check_same_words(forward: "Alignment", reverse: "Alignment", line: int) -> None:
    """Links can be made one only where both directions count the same words."""
    sides = (
        ("source", forward.source_words, reverse.target_words),
        ("target", forward.target_words, reverse.source_words),
    )
    for side, here, there in sides:
        # One of two runs may have composed letters and accents that the other has not.
        if here != there and [*map(to_nfc, here)] != [*map(to_nfc, there)]:
            raise NmtError(
                f"the two runs link other units of line {line} of the {side} ({len(here)} and "
                f"{len(there)}); with --{side}-unit word or character they link the same"
            )
