"""Choosing a head: against loops over all heads, and what is kept of the choice in a run."""

import itertools
import json

import numpy as np
import pytest

from nmt.analysis.alignment import Alignment, HeadAlignments
from nmt.analysis.pharaoh import GoldLinks
from nmt.config.schema import Config, DataConfig
from nmt.decoding import heads as heads_module
from nmt.decoding.heads import RankedHead, choose_head, read_choices, save_choice
from nmt.decoding.methods import AlignmentMethod, check_method
from nmt.errors import DataError, NmtError, RunError
from nmt.models.seq2seq import CrossAttentions
from nmt.runs.directory import RunDirectory

ATTENTIONS = CrossAttentions(2, 3, layer=0, head=None, rows_to_read=1)
ALL = list(itertools.product(range(2), [None, 0, 1, 2]))
SOURCES, TARGETS = ["a b c", "a b", "a b c d"], ["x y", "x y z", "x"]


class FakeTranslator:
    """Gives random alignments, the same for each pair each time."""

    def __init__(self, seed, attentions=ATTENTIONS):
        self.seed, self.cross_attentions, self.asked = seed, attentions, []

    def check_method(self, method, *, heads=False):
        check_method(method, self.cross_attentions, heads=heads)

    def align_all(self, sources, targets, *, method, heads, progress=None):
        assert heads
        self.asked.append(method)
        if progress:
            progress(len(sources))
        return [self.alignment(*pair) for pair in zip(sources, targets, strict=True)]

    def alignment(self, source, target):
        source, target = source.split(), target.split()
        rng = np.random.default_rng([self.seed, len(source), len(target)])
        layers, heads = self.cross_attentions[:2]
        rows = rng.random((layers, heads, len(target), len(source) + 1))
        rows /= rows.sum(axis=-1, keepdims=True)
        every = HeadAlignments(rows[..., :-1], rows[..., -1])
        return Alignment(source, target, every.matrices[0, 0], every.eos[0, 0], every)


def links_of(translator, layer, head, turned=False):
    """All links of a head, as (sentence, source word, target word)."""
    pairs = zip(TARGETS, SOURCES, strict=True) if turned else zip(SOURCES, TARGETS, strict=True)
    found = set()
    for k, pair in enumerate(pairs):
        for i, j in translator.alignment(*pair).head(layer, head).links():
            found.add((k, j, i) if turned else (k, i, j))
    return found


@pytest.mark.parametrize("chunk", [2, 256])
def test_against_gold_links(monkeypatch, chunk):
    monkeypatch.setattr(heads_module, "CHUNK", chunk)
    translator, done = FakeTranslator(1), []
    sure = [{(0, 0), (1, 1)}, {(0, 0), (1, 2)}, {(2, 0)}]
    possible = [{(0, 0), (1, 1), (2, 1)}, {(0, 0), (1, 2)}, {(2, 0), (3, 0)}]
    gold = [GoldLinks(frozenset(s), frozenset(p)) for s, p in zip(sure, possible, strict=True)]
    ranking = choose_head(
        translator, SOURCES, TARGETS, method="shift-att", gold=gold, progress=done.append
    )
    expected = {}
    for head in ALL:
        found = links_of(translator, *head)
        in_sure = sum((i, j) in sure[k] for k, i, j in found)
        in_possible = sum((i, j) in possible[k] for k, i, j in found)
        expected[head] = 1 - (in_sure + in_possible) / (len(found) + 5)
    assert {(r.layer, r.head): pytest.approx(r.aer) for r in ranking} == expected
    assert [r.aer for r in ranking] == sorted(expected.values())
    assert set(translator.asked) == {AlignmentMethod("shift-att")} and sum(done) == 3


def test_against_the_model_of_the_other_direction():
    one_head = CrossAttentions(1, 1, layer=0, head=0, rows_to_read=2)
    for attentions, partners in ((ATTENTIONS, ALL), (one_head, [(0, 0)])):
        translator, reverse = FakeTranslator(1), FakeTranslator(2, attentions)
        ranking = choose_head(translator, SOURCES, TARGETS, reverse=reverse)
        for ranked in ranking:
            ours = links_of(translator, ranked.layer, ranked.head)
            aers = []
            for partner in partners:
                theirs = links_of(reverse, *partner, turned=True)
                aers.append(1 - 2 * len(ours & theirs) / (len(ours) + len(theirs)))
            assert ranked.aer == pytest.approx(min(aers))
        assert len(ranking) == len(ALL)
        assert [r.aer for r in ranking] == sorted(r.aer for r in ranking)


@pytest.mark.parametrize("by_gold", [True, False])
def test_of_equals_the_first_is_best(monkeypatch, by_gold):
    """The lower layer, and of a layer the mean before its heads."""
    translator, same = FakeTranslator(1), FakeTranslator(1, CrossAttentions(1, 1, 0, 0, 1))

    def alignment(source, target):
        one = same.alignment(source, target)
        every = one.heads
        shape = translator.cross_attentions[:2]
        everywhere = HeadAlignments(
            np.broadcast_to(every.matrices, (*shape, *every.matrices.shape[2:])),
            np.broadcast_to(every.eos, (*shape, *every.eos.shape[2:])),
        )
        return Alignment(one.source_words, one.target_words, one.matrix, one.eos, everywhere)

    monkeypatch.setattr(translator, "alignment", alignment)
    links = frozenset({(0, 0)})
    by = {"gold": [GoldLinks(links, links)] * 3} if by_gold else {"reverse": FakeTranslator(2)}
    ranking = choose_head(translator, SOURCES, TARGETS, **by)
    assert [(ranked.layer, ranked.head) for ranked in ranking] == ALL


def test_what_cannot_be_chosen_is_refused():
    translator = FakeTranslator(1)
    with pytest.raises(NmtError, match="gold links or by a model"):
        choose_head(translator, SOURCES, TARGETS)
    single = FakeTranslator(1, CrossAttentions(1, 1, 0, 0, rows_to_read=2))
    with pytest.raises(NmtError, match="single alignment"):
        choose_head(single, SOURCES, TARGETS, reverse=translator)
    with pytest.raises(NmtError, match="shift-att does not exist"):
        choose_head(translator, SOURCES, TARGETS, method="shift-att", reverse=single)
    with pytest.raises(NmtError, match="no layers and heads"):
        choose_head(translator, SOURCES, TARGETS, method="saliency", reverse=translator)


@pytest.fixture
def run(tmp_path):
    return RunDirectory.create(tmp_path / "run", Config(data=DataConfig(path="embedded")))


def test_choices_are_kept_for_each_method(run):
    assert read_choices(run, ATTENTIONS) == {}
    save_choice(run, AlignmentMethod("attention"), RankedHead(1, None, 0.25))
    save_choice(run, AlignmentMethod("shift-att"), RankedHead(0, 2, 0.5))
    save_choice(run, AlignmentMethod("attention"), RankedHead(1, 0, 0.125))
    assert read_choices(run, ATTENTIONS) == {
        "attention": AlignmentMethod("attention", 1, 0),
        "shift-att": AlignmentMethod("shift-att", 0, 2),
    }
    assert json.loads(run.alignment_file.read_text())["attention"]["aer"] == 0.125


GOOD = {"layer": 1, "head": None, "aer": 0.1}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        "\udcff",
        json.dumps({"attention": 1}),
        json.dumps({"attention": {"layer": 1}}),
        json.dumps({"attention": GOOD | {"layer": True}}),
        json.dumps({"attention": GOOD | {"layer": "1"}}),
        json.dumps({"attention": GOOD | {"head": 1.0}}),
        json.dumps({"saliency": GOOD}),
        json.dumps({"atention": GOOD}),
    ],
)
def test_a_damaged_file_is_named_in_one_line(run, content):
    run.alignment_file.write_bytes(content.encode(errors="surrogateescape"))
    for use in (
        lambda: read_choices(run, ATTENTIONS),
        lambda: save_choice(run, AlignmentMethod(), RankedHead(0, 0, 0.1)),
    ):
        with pytest.raises(RunError, match=r"alignment.json is damaged: .* choose again") as caught:
            use()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("attentions", [ATTENTIONS, None])
def test_choices_of_another_model_are_refused(run, attentions):
    save_choice(run, AlignmentMethod("attention"), RankedHead(2, None, 0.1))
    with pytest.raises(RunError, match="does not fit the run: .*(got 2|no attention)"):
        read_choices(run, attentions)


def test_heads_are_not_chosen_where_nothing_is_linked():
    none = [GoldLinks(frozenset(), frozenset())] * len(SOURCES)
    with pytest.raises(NmtError, match="the gold has none"):
        choose_head(FakeTranslator(0), SOURCES, TARGETS, gold=none)
    for pairs in (([], []), ([""], [""])):
        with pytest.raises(NmtError, match="these pairs have none"):
            choose_head(FakeTranslator(0), *pairs, reverse=FakeTranslator(1))


def test_two_models_that_cut_text_otherwise_are_not_compared():
    class Spelling(FakeTranslator):
        def alignment(self, source, target):
            return super().alignment(source, " ".join(target.replace(" ", "")))

    with pytest.raises(DataError, match=r"other units of line 2 of the source \(1 and 3\)"):
        choose_head(FakeTranslator(0), ["a b", "the"], ["x", "y"], reverse=Spelling(1))
