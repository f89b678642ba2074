"""Two directions made one: links that both agree on, and what is safe to add to them.

Intersection and union, and the rules of Koehn et al. (2003, 2005) in between: `grow-diag` starts
from the intersection and adds links of the union that touch a link, sideways or at a corner, where
the source word or the target word has no link yet; `-final` then adds links of one direction, then
of the other, that give a word its first link, and `-final-and` those that give both words theirs.

What is added first decides what may follow, so the order is part of a rule. It is that of the
program symal in the Moses toolkit: target words in order, in each its source words in order; the
neighbours at the `SIDES`, then at the `CORNERS`; again until nothing is added; in the end the links
of the forward direction (a source word for each target word), then the reverse ones.

The `grow-diagonal-*-strict` rules add a link only where neither word has one, when growing and in
the end. What Zenkel et al. (2019) published as grow-diagonal and grow-diagonal-final was made so.
"""

import operator
from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import partial

from nmt.analysis.pharaoh import Link
from nmt.errors import NmtError, nearest

SIDES = (0, -1), (-1, 0), (0, 1), (1, 0)  # steps (source, target)
CORNERS = (-1, -1), (1, -1), (-1, 1), (1, 1)
Enough = Callable[[tuple[bool, bool]], bool]  # of (source word is free, target word is free)


class _Grown:
    """Links that grow, and the words that they cover."""

    def __init__(self, links: AbstractSet[Link]):
        self.links = set(links)
        self.sources = {source for source, _ in links}
        self.targets = {target for _, target in links}

    def add(self, link: Link, enough: Enough) -> bool:
        """Adds a link where enough of its two words are free; returns whether it did."""
        source, target = link
        if not enough((source not in self.sources, target not in self.targets)):
            return False
        self.links.add(link)
        self.sources.add(source)
        self.targets.add(target)
        return True


def _grow_diag(forward: AbstractSet[Link], reverse: AbstractSet[Link], enough: Enough) -> _Grown:
    """From the intersection, along neighbours that the union has."""
    grown, union = _Grown(forward & reverse), forward | reverse
    places = _by_target(union)
    added = True
    while added:
        added = False
        for source, target in places:
            if (source, target) not in grown.links:
                continue
            for right, down in SIDES + CORNERS:
                link = source + right, target + down
                added |= link in union and grown.add(link, enough)
    return grown


def _grow(
    forward: AbstractSet[Link],
    reverse: AbstractSet[Link],
    *,
    enough: Enough,
    finally_enough: Enough | None = None,
) -> AbstractSet[Link]:
    """Koehn's rules: which of a link's words must be free while growing, and in the final step."""
    grown = _grow_diag(forward, reverse, enough)
    if finally_enough is not None:
        for direction in (forward, reverse):
            for link in _by_target(direction):
                grown.add(link, finally_enough)
    return grown.links


def _by_target(links: Collection[Link]) -> list[Link]:
    return sorted(links, key=lambda link: link[::-1])


RULES: Mapping[str, Callable[[AbstractSet[Link], AbstractSet[Link]], AbstractSet[Link]]] = {
    "intersection": operator.and_,
    "union": operator.or_,
    "grow-diag": partial(_grow, enough=any),
    "grow-diag-final": partial(_grow, enough=any, finally_enough=any),
    "grow-diag-final-and": partial(_grow, enough=any, finally_enough=all),
    "grow-diagonal-strict": partial(_grow, enough=all),
    "grow-diagonal-final-strict": partial(_grow, enough=all, finally_enough=all),
}


def check_rule(rule: str) -> None:
    """Raises NmtError for a rule that there is not."""
    if rule not in RULES:
        raise NmtError(f"unknown rule of symmetrisation {rule!r}{nearest(rule, RULES)}")


def symmetrize(forward: Iterable[Link], reverse: Iterable[Link], rule: str) -> list[Link]:
    """Makes one set of links out of those of two directions.

    Args:
      forward: source-target, those of the direction source to target.
      reverse: source-target too, those of the direction target to source.
      rule: one of RULES.
    Returns:
      The links, sorted.
    Raises:
      NmtError: there is no such rule.
    """
    check_rule(rule)
    return sorted(RULES[rule](frozenset(forward), frozenset(reverse)))
