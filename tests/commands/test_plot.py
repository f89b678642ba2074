"""nmt plot: a picture, and the translation."""

import pytest

from tests.tiny_runs import LINES

pytest_plugins = ["tests.command_calls"]


@pytest.mark.parametrize(
    "suffix, start", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_plot_draws_and_prints_the_translation(call, tmp_path, run, texts, suffix, start):
    picture = tmp_path / f"new/cat.{suffix}"
    out = call("plot", run, LINES[0], "--output", picture)
    assert out == f"{texts[0]}\n"
    assert picture.read_bytes().startswith(start)


def test_plot_with_a_given_translation(call, tmp_path, run):
    picture = tmp_path / "cat.svg"
    target = "un petit chat = ."
    assert call("plot", run, "--output", picture, "--target", target, "x y") == ""
    svg = picture.read_text()
    assert all(f">{word}<" in svg for word in [*target.split(), "x", "y"])


@pytest.mark.parametrize("target", [[], ["--target", "chat"]])
def test_a_picture_needs_attention(mistake, tmp_path, trained_without_attention, target):
    arguments = [trained_without_attention, "cat", "--output", tmp_path / "x.png", *target]
    assert "the model has no attention" in mistake("plot", *arguments)
    assert list(tmp_path.iterdir()) == []
