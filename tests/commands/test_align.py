"""nmt align: word links of given pairs."""

import json
import re

import pytest

import nmt
from nmt.analysis.aer import alignment_scores
from nmt.analysis.pharaoh import format_links, parse_gold
from nmt.analysis.symmetrize import symmetrize
from nmt.cli import main
from nmt.commands import pairs
from nmt.data.text_files import read_lines
from nmt.decoding.methods import AlignmentMethod
from tests.tiny_runs import CONFIG, make_run

pytest_plugins = ["tests.command_calls"]
ENGLISH = ["the cat sleeps .", "", "a small dog sees the house .", "we do not sing .", " ", "rain"]
FRENCH = ["le chat dort .", "le chat .", "", "nous ne chantons pas .", "", "la pluie"]
GOLD = ["1-1 2-2 3p3", "", "", "1-1 4p2 4-3", "", "1-2"]  # counted from 1
BACKWARDS = CONFIG.replace(
    "embedded\n", "embedded\n  source_language: fr\n  target_language: en\n", 1
)
MODEL = (
    "model: {embedding_dim: 8, encoder_dim: 8, decoder_dim: 8, alignment_dim: 8, readout_dim: 8}"
)
TRANSFORMER = (
    "model: {architecture: transformer, model_dim: 8, feedforward_dim: 8, num_heads: 2, "
    "encoder_layers: 1, decoder_layers: 2}"
)


@pytest.fixture(scope="session")
def backwards(tmp_path_factory):
    """A run from French to English, to read only."""
    return make_run(tmp_path_factory.mktemp("runs") / "backwards", BACKWARDS)


@pytest.fixture
def transformer(tmp_path):
    """A run with several layers and heads, to write into."""
    return make_run(tmp_path / "transformer", CONFIG.replace(MODEL, TRANSFORMER))


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path):
    """The options that name the pairs."""
    source, target = write(tmp_path / "en", ENGLISH), write(tmp_path / "fr", FRENCH)
    return ["--source", source, "--target", target]


@pytest.fixture
def gold(tmp_path):
    """The options that name their gold links."""
    return ["--gold", write(tmp_path / "gold", GOLD), "--gold-base", 1]


def expected_links(run, sources=ENGLISH, targets=FRENCH, **method):
    """By the translator's own alignments, in lists."""
    alignments = nmt.load(run).align_all(sources, targets, method=AlignmentMethod(**method))
    return [alignment.links() for alignment in alignments]


def test_a_line_of_links_for_each_pair(call, monkeypatch, trained, files, tmp_path):
    out = call("align", trained, *files)
    assert out.splitlines() == [*map(format_links, expected_links(trained))]
    lines = out.splitlines()
    assert lines[0] and lines[3] and lines[1] == lines[2] == lines[4] == ""
    monkeypatch.setattr(pairs, "CHUNK", 2)
    assert call("align", trained, *files) == out
    assert call("align", trained, *files, "--output", tmp_path / "links.gz") == ""
    assert read_lines(tmp_path / "links.gz") == lines


def test_methods_units_and_checkpoints_are_passed_on(call, trained, files):
    later = call("align", trained, *files, "--method", "attention+1", "--layer", -1)
    assert later.splitlines() == [
        *map(format_links, expected_links(trained, name="attention+1", layer=0))
    ]
    links = call("align", trained, *files, "--target-unit", "character").splitlines()
    alignments = nmt.load(trained).with_units("word", "character").align_all(ENGLISH, FRENCH)
    assert links == [alignment.to_pharaoh() for alignment in alignments]
    assert call("align", trained, *files, "--checkpoint", "last").splitlines() == [
        alignment.to_pharaoh() for alignment in nmt.load(trained, "last").align_all(ENGLISH, FRENCH)
    ]


@pytest.mark.parametrize("rule", [None, "union", "grow-diagonal-strict"])
def test_two_directions_are_made_one(call, trained, backwards, files, rule):
    asked = [] if rule is None else ["--symmetrize", rule]
    out = call("align", trained, *files, "--reverse", backwards, *asked)
    forward, reverse = expected_links(trained), expected_links(backwards, FRENCH, ENGLISH)
    expected = [
        symmetrize(f, [(source, target) for target, source in r], rule or "grow-diag-final-and")
        for f, r in zip(forward, reverse, strict=True)
    ]
    assert out.splitlines() == [*map(format_links, expected)]


def test_seeds_checkpoint_and_units_of_both_directions(
    call, trained_with_seeds, backwards, files, tmp_path
):
    """Each of the four makes other links than what stands in its place by default."""
    two, union = trained_with_seeds, ["--symmetrize", "union"]
    seeded = BACKWARDS.replace("training: {", "training: {seed: 5, num_seeds: 2, ")
    reverse = make_run(tmp_path / "reverse", seeded)

    def expected(forward, other, units=("word", "word")):
        ours = forward.with_units(*units).align_all(ENGLISH, FRENCH)
        theirs = other.with_units(*units[::-1]).align_all(FRENCH, ENGLISH)
        both = zip(ours, theirs, strict=True)
        return [format_links({*a.links(), *(link[::-1] for link in b.links())}) for a, b in both]

    def links(*asked):
        return call("align", two, *files, *union, *asked).splitlines()

    seeds = {seed: nmt.load(two, seed=seed) for seed in (5, 6)}
    turned = {seed: nmt.load(reverse, seed=seed) for seed in (5, 6)}
    plain = links("--reverse", reverse)
    assert plain == expected(seeds[5], turned[5])
    assert links("--reverse", reverse, "--seed", 6) == expected(seeds[6], turned[5]) != plain
    assert (
        links("--reverse", reverse, "--reverse-seed", 6) == expected(seeds[5], turned[6]) != plain
    )
    last = links("--reverse", backwards, "--checkpoint", "last", "--seed", 6)
    ours = nmt.load(two, "last", seed=6)
    assert last == expected(ours, nmt.load(backwards, "last"))
    assert last != expected(ours, nmt.load(backwards))
    letters = links("--reverse", backwards, "--target-unit", "character")
    assert letters == expected(seeds[5], nmt.load(backwards), ("word", "character"))


def test_gold_counts_words_where_none_are_written(call, run, files, gold):
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("target_language: fr", "target_language: ja"))
    translator = nmt.load(run)
    assert translator.units.target == "piece"
    expected = alignment_scores(
        [a.links() for a in translator.with_units("word", "word").align_all(ENGLISH, FRENCH)],
        [parse_gold(line, "gold", base=1) for line in GOLD],
    )
    assert json.loads(call("align", run, *files, *gold, "--json")) == expected.to_dict()


def test_two_directions_may_be_read_in_two_ways(call, mistake, trained, transformer, files):
    """A GRU's attention, and the attention of one layer of a Transformer after it has read."""
    config = BACKWARDS.replace(MODEL, TRANSFORMER)
    other = make_run(transformer.with_name("backwards"), config)
    forward = ["--method", "attention+1", "--reverse", other]
    both = [*files, *forward, "--symmetrize", "union"]
    ours = expected_links(trained, name="attention+1")

    def expected(**method):
        theirs = expected_links(other, FRENCH, ENGLISH, **method)
        turned = [[link[::-1] for link in links] for links in theirs]
        return [format_links({*f, *r}) for f, r in zip(ours, turned, strict=True)]

    asked = ["--reverse-method", "shift-att", "--reverse-layer", 0, "--reverse-head", 1]
    found = [call("align", trained, *both, *asked[:stop]).splitlines() for stop in (0, 2, 4, 6)]
    assert found == [
        expected(name="attention+1"),
        expected(name="shift-att"),
        expected(name="shift-att", layer=0),
        expected(name="shift-att", layer=0, head=1),
    ]
    layer = call("align", trained, *both, "--reverse-layer", 1).splitlines()
    assert layer == expected(name="attention+1", layer=1)


def test_a_mistake_says_which_of_two_runs_is_meant(mistake, trained, transformer, backwards, files):
    reverse = [*files, "--reverse", backwards]
    shift = mistake("align", transformer, *reverse, "--method", "shift-att")
    assert shift.startswith(f"nmt: {backwards}: shift-att does not exist")
    layer = mistake("align", transformer, *reverse, "--layer", 1)
    assert layer.startswith(f"nmt: {backwards}: the layer") and layer.endswith("got 1")
    chosen = mistake("align", transformer, *reverse, "--choose-head", "--method", "shift-att")
    assert chosen == shift
    alone = mistake("align", trained, *files, "--method", "shift-att")
    assert alone.startswith("nmt: shift-att does not exist")


@pytest.mark.parametrize(
    "option, message",
    [
        ("--reverse", "--reverse must name a run directory; got ''"),
        ("--method", "method"),
        ("--source-unit", "unit"),
        ("--target-unit", "unit"),
    ],
)
def test_an_empty_value_is_no_default(mistake, trained, files, option, message):
    """As a variable of the shell that is not set makes it."""
    assert re.search(message, mistake("align", trained, *files, option, ""))


def test_links_are_not_mixed_with_the_object(mistake, trained, files, gold):
    message = mistake("align", trained, *files, *gold, "--json", "--output", "-")
    assert "--output - would mix links with the object of --json; name a file" in message


def test_scores_against_gold(capfd, call, trained, files, gold, tmp_path):
    """On stderr beside links on stdout, on stdout beside links in a file, or as one object."""
    links = expected_links(trained)
    expected = alignment_scores(links, [parse_gold(line, "gold", base=1) for line in GOLD])
    assert main([*map(str, ["align", trained, *files, *gold])]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines() == [*map(format_links, links)] and err == f"{expected}\n"
    output = ["--output", tmp_path / "links"]
    assert call("align", trained, *files, *gold, *output) == f"{expected}\n"
    assert json.loads(call("align", trained, *files, *gold, "--json")) == expected.to_dict()

    (tmp_path / "links").unlink()
    scores = json.loads(call("align", trained, *files, *gold, "--json", *output))
    bases = ["--links-base", 0, "--gold-base", 1]
    alone = call("aer", tmp_path / "links", "--gold", tmp_path / "gold", *bases, "--json")
    assert json.loads(alone) == scores == expected.to_dict()


def test_links_that_are_their_own_gold_are_right(call, trained, files, tmp_path):
    call("align", trained, *files, "--output", tmp_path / "own")
    own = ["--gold", tmp_path / "own", "--gold-base", 0]
    scores = json.loads(call("align", trained, *files, *own, "--json"))
    assert (scores["aer"], scores["precision"], scores["recall"]) == (0, 1, 1)


def test_pairs_that_are_long_and_pairs_that_are_too_long(capfd, trained, tmp_path):
    """More pieces than the model was trained with are aligned; too many get a warning, no links."""
    long = " ".join(["the cat sleeps ."] * 80)
    sources = ["the cat .", "cat " * 1100, long, "a" * 100_000, "a dog ."]
    targets = ["le chat .", "chat", "le chat dort .", "b" * 100_000, "un chien ."]
    files = [
        "--source",
        write(tmp_path / "en", sources),
        "--target",
        write(tmp_path / "f", targets),
    ]
    gold = ["--gold", write(tmp_path / "gold", ["0-0", "1000-0", "", "", ""]), "--gold-base", 0]
    assert main([*map(str, ["align", trained, *files, *gold])]) == 0
    out, err = capfd.readouterr()
    alone = [expected_links(trained, [sources[i]], [targets[i]])[0] for i in (0, 2, 4)]
    first, second, third, fourth, fifth = out.splitlines()
    assert [first, third, fifth] == [*map(format_links, alone)] and first and third
    assert second == fourth == ""
    warning, scores = err.splitlines()
    assert warning.startswith("warning: pairs of more than 1024 pieces on a side get no links: ")
    assert warning.endswith("2 of 5, the first in line 2")
    assert "against 2 sure" in scores


def test_nothing_to_align_is_nothing(call, trained, tmp_path):
    files = ["--source", write(tmp_path / "en", []), "--target", write(tmp_path / "fr", [])]
    assert call("align", trained, *files) == ""


def test_a_model_without_attention_says_so(mistake, trained_without_attention, files):
    assert "has no attention" in mistake("align", trained_without_attention, *files)


def test_a_method_that_the_model_has_not_is_refused(mistake, trained, files):
    assert "shift-att" in mistake("align", trained, *files, "--method", "shift-att")
    assert "layer" in mistake("align", trained, *files, "--layer", 1)


# ---- choosing a head


def test_choosing_a_head_by_gold(call, transformer, files, gold):
    ranking = json.loads(call("align", transformer, *files, *gold, "--choose-head", "--json"))
    heads = ranking["ranking"]
    assert len(heads) == 2 * (2 + 1)
    assert [head["aer"] for head in heads] == sorted(head["aer"] for head in heads)
    for head in (heads[0], heads[-1]):
        # What the ranking says is what aligning with that head gives.
        option = [] if head["head"] is None else ["--head", head["head"]]
        asked = ["--layer", head["layer"], *option]
        scores = json.loads(call("align", transformer, *files, *gold, *asked, "--json"))
        assert scores["aer"] == pytest.approx(head["aer"])
    best = {name: ranking[name] for name in ("layer", "head", "aer")}
    assert best == heads[0] and ranking["method"] == "attention"
    scores = json.loads(call("align", transformer, *files, *gold, "--json"))
    assert scores["aer"] == pytest.approx(best["aer"])  # it was kept


def test_choosing_a_head_by_the_other_direction(call, transformer, files):
    config = BACKWARDS.replace(MODEL, TRANSFORMER)
    reverse = ["--reverse", make_run(transformer.with_name("backwards"), config)]
    asked = ["--choose-head", "--method", "shift-att"]
    head, *rows, last = call("align", transformer, *files, *reverse, *asked).splitlines()
    assert head == "layer  head      AER" and len(rows) == 2 * (2 + 1)
    assert f"kept in {transformer / 'alignment.json'}" in last
    layer, head, _ = rows[0].split()
    chosen = AlignmentMethod("shift-att", int(layer), None if head == "mean" else int(head))
    assert nmt.load(transformer).choices["shift-att"] == chosen


def test_a_single_alignment_leaves_no_choice(mistake, run, files, gold):
    message = mistake("align", run, *files, *gold, "--choose-head")
    assert "no head to choose" in message and not (run / "alignment.json").exists()
