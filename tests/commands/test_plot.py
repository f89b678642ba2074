"""nmt plot: a picture or a page, and the translation."""

import re
import shutil
from dataclasses import replace

import pytest

import nmt
from nmt.analysis.matrix_grid import plot_heads
from nmt.analysis.matrix_html import alignments_html
from nmt.analysis.matrix_plot import plot_alignment, plot_side_by_side
from nmt.analysis.pharaoh import GoldLinks
from nmt.commands import plot
from nmt.decoding.methods import AlignmentMethod
from tests.tiny_runs import CONFIG, LINES, make_run

pytest_plugins = ["tests.command_calls"]

SOURCE, TARGET = "the cat .", "un petit chat ."
GIVEN = SOURCE, "--target", TARGET
MODEL = "{embedding_dim: 8, encoder_dim: 8, decoder_dim: 8, alignment_dim: 8, readout_dim: 8}"
GOLD = GoldLinks({(0, 0), (1, 2)}, {(2, 3)})


@pytest.fixture
def other_run(tmp_path):
    """A run of another model, whose best checkpoint is not its last."""
    config = CONFIG.replace("training: {", "training: {seed: 7, ")
    return make_run(tmp_path / "other", config)


@pytest.mark.parametrize(
    "suffix, start",
    [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("HTML", b"<!doctype html>")],
)
def test_plot_draws_and_prints_the_translation(call, tmp_path, run, texts, suffix, start):
    picture = tmp_path / f"new/cat.{suffix}"
    out = call("plot", run, LINES[0], "--output", picture)
    assert out == f"{texts[0]}\n"
    assert picture.read_bytes()[:15].lower().startswith(start.lower())


def test_plot_with_a_given_translation(call, tmp_path, run):
    picture = tmp_path / "cat.svg"
    target = "un petit chat = ."
    assert call("plot", run, "--output", picture, "--target", target, "x y") == ""
    svg = picture.read_text()
    assert all(f">{word}<" in svg for word in [*target.split(), "x", "y"])


def test_a_picture_may_be_of_other_units_than_words(call, tmp_path, run):
    asked = ["--source-unit", "character", "--target-unit", "piece"]
    call("plot", run, *GIVEN, *asked, "--output", tmp_path / "m.svg")
    alignment = nmt.load(run).with_units("character", "piece").align(SOURCE, TARGET)
    assert alignment.source_words == list("thecat.")
    assert (tmp_path / "m.svg").read_bytes() == plot_alignment(alignment).render(".svg")


@pytest.mark.parametrize("target", [[], ["--target", "chat"]])
def test_a_picture_needs_attention(mistake, tmp_path, trained_without_attention, target):
    arguments = [trained_without_attention, "cat", "--output", tmp_path / "x.png", *target]
    assert "the model has no attention" in mistake("plot", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_gold_links_and_those_of_the_model_are_drawn_in(call, tmp_path, run):
    call("plot", run, *GIVEN, "--gold", "0-0 1-2 2p3", "--links", "--output", tmp_path / "m.svg")
    alignment = nmt.load(run).align(SOURCE, TARGET)
    expected = plot_alignment(alignment, gold=GOLD, links=alignment.links()).render(".svg")
    assert (tmp_path / "m.svg").read_bytes() == expected


def test_a_method_may_be_named_with_layer_and_head(call, tmp_path, run):
    method = AlignmentMethod("attention+1", layer=-1, head=0)
    call("plot", run, *GIVEN, "--method", "attention+1", "--layer", "-1", "--head", "0",
         "--output", tmp_path / "m.svg")  # fmt: skip
    translator = nmt.load(run)
    drawn = (tmp_path / "m.svg").read_bytes()
    assert drawn == plot_alignment(translator.align(SOURCE, TARGET, method=method)).render(".svg")
    assert drawn != plot_alignment(translator.align(SOURCE, TARGET)).render(".svg")


def test_all_heads_in_a_grid(call, tmp_path, run):
    call("plot", run, *GIVEN, "--heads", "--gold", "0-0 1-2 2p3", "--links",
         "--output", tmp_path / "m.svg")  # fmt: skip
    alignment = nmt.load(run).align(SOURCE, TARGET, heads=True)
    expected = plot_heads(alignment, gold=GOLD, links=True)
    assert (tmp_path / "m.svg").read_bytes() == expected.render(".svg")


def test_two_models_side_by_side_on_the_translation_of_the_first(call, tmp_path, run, other_run):
    picture = tmp_path / "two.svg"
    out = call("plot", run, LINES[0], "--compare", other_run, "--output", picture)
    svg = re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text())
    words = [*out.split(), *LINES[0].split() * 2]
    assert sorted(svg) == sorted([run.name, other_run.name, *words])


def test_two_models_are_drawn_each_with_its_own_alignment(call, tmp_path, run, other_run):
    picture = tmp_path / "two.svg"
    call("plot", run, *GIVEN, "--compare", other_run, "--gold", "0-0 1-2 2p3", "--links",
         "--output", picture)  # fmt: skip
    both = {path.name: nmt.load(path).align(SOURCE, TARGET) for path in (run, other_run)}
    expected = plot_side_by_side(both, gold=GOLD, links=True).render(".svg")
    assert picture.read_bytes() == expected
    last = {**both, other_run.name: nmt.load(other_run, "last").align(SOURCE, TARGET)}
    for unlike in (dict.fromkeys(both, both[run.name]), last):
        assert plot_side_by_side(unlike, gold=GOLD, links=True).render(".svg") != expected


@pytest.mark.parametrize("asked", ["checkpoint", "seed", "search"])
def test_checkpoint_seed_and_search_are_those_asked_for(
    call, tmp_path, run, trained_with_seeds, asked
):
    path = trained_with_seeds if asked == "seed" else run
    options, load, search = {
        "checkpoint": (["--checkpoint", 9], {"checkpoint": 9}, None),
        "seed": (["--seed", 6], {"seed": 6}, None),
        "search": (["search.max_length_extra=2"], {}, {"max_length_extra": 2}),
    }[asked]
    pictures = []
    for given in ([], options):
        call("plot", path, LINES[0], *given, "--output", tmp_path / "m.svg")
        pictures.append((tmp_path / "m.svg").read_bytes())
    translator = nmt.load(path, **load)
    search = search and replace(translator.search, **search)
    translation = translator.translate(LINES[0], search=search)
    assert pictures[1] == plot_alignment(translation.alignment).render(".svg") != pictures[0]


def test_gold_links_count_words_where_none_are_written(call, tmp_path, run):
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("target_language: fr", "target_language: ja"))
    assert nmt.load(run).units.target == "piece"
    call("plot", run, *GIVEN, "--gold", "0-0 1-2 2p3", "--output", tmp_path / "m.svg")
    alignment = nmt.load(run).with_units("word", "word").align(SOURCE, TARGET)
    expected = plot_alignment(alignment, gold=GOLD).render(".svg")
    assert (tmp_path / "m.svg").read_bytes() == expected


def test_two_methods_side_by_side(call, tmp_path, run):
    picture = tmp_path / "two.svg"
    call("plot", run, *GIVEN, "--compare-method", "attention+2", "--output", picture)
    translator = nmt.load(run)
    alignments = {
        name: translator.align(SOURCE, TARGET, method=AlignmentMethod(name))
        for name in ("attention", "attention+2")
    }
    assert picture.read_bytes() == plot_side_by_side(alignments).render(".svg")


def test_models_with_methods_are_told_apart(call, tmp_path, run, other_run):
    call("plot", run, *GIVEN, "--compare", other_run, "--compare-method", "attention+1",
         "--output", tmp_path / "m.svg")  # fmt: skip
    svg = (tmp_path / "m.svg").read_text()
    for name in (run.name, other_run.name):
        assert f">{name}, attention<" in svg and f">{name}, attention+1<" in svg


def test_runs_of_one_name_are_told_apart_by_their_paths(call, tmp_path, run):
    other = shutil.copytree(run, tmp_path / run.name)
    call("plot", run, *GIVEN, "--compare", other, "--output", tmp_path / "m.svg")
    svg = (tmp_path / "m.svg").read_text()
    assert f">{run}<" in svg and f">{other}<" in svg


def test_pages_have_what_pictures_have(call, tmp_path, run, other_run):
    page = tmp_path / "page.html"
    call("plot", run, *GIVEN, "--gold", "0-0 1-2 2p3", "--output", page)
    alone = page.read_text("utf-8")
    assert nmt.load(run).align(SOURCE, TARGET).html(gold=GOLD) == alone
    call("plot", run, *GIVEN, "--heads", "--compare", other_run, "--output", page)
    runs = (run, other_run)
    both = [nmt.load(path).align(SOURCE, TARGET, heads=True) for path in runs]
    assert page.read_text("utf-8") == alignments_html(both, [path.name for path in runs])


def test_a_mistake_says_which_of_two_runs_is_meant(mistake, tmp_path, run):
    config = CONFIG.replace(MODEL, "{architecture: transformer, model_dim: 8, num_heads: 2}")
    other = make_run(tmp_path / "transformer", config)
    asked = ["--method", "shift-att", "--output", tmp_path / "x.png"]
    for runs in ([run, SOURCE, "--compare", other], [other, SOURCE, "--compare", run]):
        assert mistake("plot", *runs, *asked).startswith(f"nmt: {run}: shift-att does not exist")
    assert mistake("plot", run, SOURCE, *asked).startswith("nmt: shift-att does not exist")


def test_the_place_is_tried_before_a_model_is_loaded(mistake, tmp_path, run, monkeypatch):
    monkeypatch.setattr(plot, "load_translator", lambda *_: 1 / 0)
    (tmp_path / "s.txt").touch()
    for suffix in ("png", "html"):
        message = mistake("plot", run, SOURCE, "--output", tmp_path / f"s.txt/x.{suffix}")
        assert message.endswith("s.txt is no folder")
    (tmp_path / "x.png").mkdir()
    message = mistake("plot", run, SOURCE, "--output", tmp_path / "x.png")
    assert message.endswith("x.png: it is a folder")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--output", "x.gif"], r"written as \.png, \.svg, \.pdf or \.html; got 'x\.gif'"),
        (["--output", "x.png", "--gold", "0-0"], "--gold needs --target"),
        (["--output", "x.png", "--target", "y", "--gold", "0:0"], "--gold: wanted .* got '0:0'"),
        (["--output", "x.png", "--target", "y", "--gold", "9-0"], "link 9-0 .* 3 source and 1"),
        (["--output", "x.html", "--links"], "--links is for pictures"),
        (["--output", "x.png", "--heads", "--compare", "RUN"], "fills a picture with one model"),
        (["--output", "x.png", "--compare", "RUN"], "run .* is given twice; wanted different runs"),
        (["--output", "x.png", "--compare", "RUN/."], "is given twice; wanted different runs"),
        (
            ["--output", "x.png", "--target", "y", "search.beam_size=3"],
            "search.beam_size=3",
        ),
        (["--output", "x.png", "--target", ""], "nothing to draw: the translation has no words"),
        (["--output", "x.html", "--target", " "], "nothing to draw: the translation has no words"),
        (["--output", "x.png", "--compare-method", "attention"], "got attention twice"),
        (["--output", "x.png", "--compare-method", "atention"], "did you mean .attention"),
        (["--output", "x.png", "--compare", "nowhere"], "nowhere"),
        (["--output", "x.png", "--layer", "7"], "layer .* between -1 and 0; got 7"),
        (["--output", "x.png", "--method", "shift-att"], "shift-att does not exist"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(
    mistake, tmp_path, monkeypatch, run, arguments, message
):
    monkeypatch.chdir(tmp_path)
    arguments = [argument.replace("RUN", str(run)) for argument in arguments]
    assert re.search(message, mistake("plot", run, SOURCE, *arguments))
    assert list(tmp_path.iterdir()) == []
