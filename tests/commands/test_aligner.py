"""Links of two directions, by translators whose alignments are given."""

import numpy as np
import pytest

from nmt.analysis.alignment import Alignment
from nmt.commands.aligner import Aligner, Direction
from nmt.data.splits import Split
from nmt.decoding.methods import AlignmentMethod
from nmt.errors import NmtError


class Cutting:
    """Links word i with word i, and cuts its source by a function."""

    def __init__(self, cut=str.split):
        self.cut = cut

    def check_method(self, method, *, heads):
        if method != AlignmentMethod():
            raise NmtError("not so")

    def align_all(self, sources, targets, *, method, progress):
        assert method == AlignmentMethod()
        progress(len(sources))
        return [self.align(*pair) for pair in zip(sources, targets, strict=True)]

    def align(self, source, target):
        source_words, target_words = self.cut(source), target.split()
        matrix = np.eye(len(target_words), len(source_words))
        return Alignment(source_words, target_words, matrix, np.zeros(len(target_words)))


def links(source, target, forward, reverse, rule="union"):
    one = Direction("one", forward, AlignmentMethod())
    other = reverse and Direction("other", reverse, AlignmentMethod())
    aligner = Aligner(one, other, rule)
    advanced = []
    (found,) = aligner.align(Split("x", [source], [target]), advanced.append)
    assert sum(advanced) == aligner.num_passes
    return found[0]


def test_the_reverse_links_are_turned():
    assert links("a b c", "d e", Cutting(), Cutting()) == [(0, 0), (1, 1)]
    assert links("a b", "d e f", Cutting(), None) == [(0, 0), (1, 1)]


def test_runs_that_cut_otherwise_cannot_be_joined():
    with pytest.raises(NmtError, match=r"of line 1 of the target \(1 and 2\); with --target-unit"):
        links("a", "de", Cutting(), Cutting(list))
    with pytest.raises(NmtError, match=r"of line 1 of the source \(2 and 1\); with --source-unit"):
        links("ab", "d", Cutting(list), Cutting())


def test_composed_letters_are_the_same_word():
    decomposed = Cutting(lambda text: [word.replace("\u00e9", "e\u0301") for word in text.split()])
    assert links("\u00e9t\u00e9", "d", decomposed, Cutting()) == [(0, 0)]


def test_a_model_that_cannot_be_read_so_is_named_among_two():
    good = Direction("good", Cutting(), AlignmentMethod())
    bad = Direction("bad", Cutting(), AlignmentMethod("attention+1"))
    for two in ((good, bad), (bad, good)):
        with pytest.raises(NmtError, match="^bad: not so$"):
            Aligner(*two, "union")
    with pytest.raises(NmtError, match="^not so$"):
        Aligner(bad, None, "union")
