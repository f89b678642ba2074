"""Choosing a head by translators whose alignments are given: what is kept, printed and refused."""

import json

import numpy as np
import pytest

from nmt.analysis.alignment import Alignment, HeadAlignments
from nmt.analysis.pharaoh import GoldLinks
from nmt.commands.align import make_parser
from nmt.commands.aligner import Direction
from nmt.commands.head_choice import check_choice_options, choose_and_keep
from nmt.config.schema import Config, DataConfig
from nmt.data.splits import Split
from nmt.decoding.heads import read_choices
from nmt.decoding.methods import AlignmentMethod, check_method
from nmt.errors import NmtError
from nmt.models.seq2seq import CrossAttentions
from nmt.runs.directory import RunDirectory

ATTENTIONS = CrossAttentions(1, 2, layer=0, head=None, rows_to_read=1)
PAIRS = Split("pairs", ["a b", "", "c"], ["d e", "f", ""])
METHOD = AlignmentMethod("attention+1")


class Crossing:
    """Its head 0 links every word with the last on the other side, head 1 word i with word i."""

    def __init__(self, cut=str.split, attentions=ATTENTIONS):
        self.cut, self.cross_attentions = cut, attentions

    def check_method(self, method, *, heads=False):
        check_method(method, self.cross_attentions, heads=heads)

    def align_all(self, sources, targets, *, method, heads, progress=None):
        assert method == METHOD and heads
        return [self.align(*pair) for pair in zip(sources, targets, strict=True)]

    def align(self, source, target):
        source_words, target_words = self.cut(source), target.split()
        shape = len(target_words), len(source_words)
        last = np.zeros(shape)
        last[:, -1:] = 1
        heads = np.array([[last, 0.9 * np.eye(*shape)]])  # whose mean is head 0 rather
        every = HeadAlignments(heads, np.zeros((1, 2, shape[0])))
        return Alignment(source_words, target_words, last, every.eos[0, 0], every)


@pytest.fixture
def run(tmp_path):
    return RunDirectory.create(tmp_path / "run", Config(data=DataConfig(path="embedded")))


def parse(*more):
    return make_parser().parse(["RUN", "--choose-head", "--method", METHOD.name, *more])


def choose(run, pairs=PAIRS, *, reverse=None, gold=None, more=()):
    directions = [
        translator and Direction(name, translator, METHOD)
        for name, translator in (("here", Crossing()), ("there", reverse))
    ]
    arguments = parse(*(["--gold", "gold.txt"] if gold is not None else []), *more)
    choose_and_keep(run, *directions, pairs, gold, arguments)


def gold_of(*pairs):
    return [GoldLinks(frozenset(links), frozenset(links)) for links in pairs]


def test_the_best_head_by_gold_is_kept_and_shown(capsys, run):
    gold = gold_of([(0, 0), (1, 1)], [], [])
    choose(run, gold=gold)
    head, best, *others, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["layer", "head", "AER"] and best.split() == ["0", "1", "0.00%"]
    assert len(others) == 2
    assert last.startswith("chosen by gold.txt for --method attention+1, and kept in ")
    assert read_choices(run, ATTENTIONS) == {METHOD.name: AlignmentMethod(METHOD.name, 0, 1)}
    choose(run, gold=gold, more=["--json"])
    shown = json.loads(capsys.readouterr().out)
    assert (shown["method"], shown["layer"], shown["head"], shown["aer"]) == (METHOD.name, 0, 1, 0)
    assert [one["head"] for one in shown["ranking"]][0] == 1 and len(shown["ranking"]) == 3


def test_heads_agree_with_those_of_the_other_direction(capsys, run):
    """Heads that link word i with word i agree wholly; pairs with an empty side do no harm."""
    choose(run, reverse=Crossing())
    _, best, *_, last = capsys.readouterr().out.splitlines()
    assert best.split()[1:] == ["1", "0.00%"]
    assert last.startswith("chosen by the links of there for --method attention+1")


@pytest.mark.parametrize(
    ("pairs", "given", "message"),
    [
        (PAIRS, {"gold": gold_of([], [], [])}, "chosen by links; the gold has none"),
        (Split("x", [], []), {"gold": []}, "chosen by links; the gold has none"),
        (Split("x", [], []), {"reverse": Crossing()}, "chosen by links; these pairs have none"),
        (Split("x", ["", "a"], ["b", ""]), {"reverse": Crossing()}, "these pairs have none"),
        (PAIRS, {"reverse": Crossing(list)}, "other units of line 1 of the target"),
        (PAIRS, {"reverse": Crossing(attentions=None)}, "^there: the model has no attention"),
    ],
    ids=["no gold links", "no gold", "no pairs", "empty pairs", "cut otherwise", "no attention"],
)
def test_nothing_to_choose_by_is_told_and_nothing_is_kept(capsys, run, pairs, given, message):
    with pytest.raises(NmtError, match=message):
        choose(run, pairs, **given)
    assert not run.alignment_file.exists() and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "by --gold or by --reverse: one of them"),
        (["--gold", "x", "--reverse", "y"], "by --gold or by --reverse: one of them"),
        (["--gold", "x", "--layer", "0"], "chooses --layer and --head"),
        (["--gold", "x", "--output", "y"], "--output has no use"),
        (["--reverse", "y", "--symmetrize", "union"], "--symmetrize has no use"),
        (["--reverse", "y", "--reverse-method", "shift-att"], "--reverse-method has no use"),
        (["--reverse", "y", "--reverse-head", "1"], "--reverse-head has no use"),
    ],
)
def test_options_that_leave_no_choice(more, message):
    with pytest.raises(NmtError, match=message):
        check_choice_options(parse(*more).options)
    check_choice_options(parse("--reverse", "y").options)
