"""nmt score: log-probabilities of given translations."""

import gzip

import numpy as np
import pytest

import nmt
from nmt.commands import pairs
from nmt.data.text_files import read_lines

pytest_plugins = ["tests.command_calls"]
ENGLISH = ["the cat sleeps .", "", "a small dog sees the house .", "we do not sing .", " "]
FRENCH = ["le chat dort .", "le chat .", "", "nous ne chantons pas .", ""]


@pytest.fixture
def files(tmp_path):
    """The options that name the pairs."""
    (tmp_path / "en").write_text("".join(f"{line}\n" for line in ENGLISH))
    (tmp_path / "fr.gz").write_bytes(
        gzip.compress("".join(f"{line}\n" for line in FRENCH).encode())
    )
    return ["--source", tmp_path / "en", "--target", tmp_path / "fr.gz"]


def test_a_number_a_line(call, monkeypatch, trained, files, tmp_path):
    expected = nmt.load(trained).log_probs(ENGLISH, FRENCH)
    lines = call("score", trained, *files).splitlines()
    np.testing.assert_allclose([float(line) for line in lines], expected, atol=1e-5)
    assert all(float(line) < 0 for line in lines)
    monkeypatch.setattr(pairs, "CHUNK", 2)
    assert call("score", trained, *files, "--output", tmp_path / "out.gz") == ""
    again = [float(line) for line in read_lines(tmp_path / "out.gz")]
    np.testing.assert_allclose(again, expected, atol=1e-5)


def test_the_checkpoint_that_is_named_scores(call, trained, files):
    first, second = (
        call("score", trained, *files, "--checkpoint", step).splitlines() for step in (7, 9)
    )
    expected = nmt.load(trained, "9").log_probs(ENGLISH, FRENCH)
    np.testing.assert_allclose([float(line) for line in second], expected, atol=1e-5)
    assert first != second


def test_a_model_without_attention_scores_too(call, trained_without_attention, files):
    assert call("score", trained_without_attention, *files).count("\n") == len(ENGLISH)


def test_a_pair_that_is_too_long_is_named_before_any_is_scored(mistake, trained, tmp_path):
    (tmp_path / "en").write_text("a cat\n" + "1 " * 1100 + "\n")
    (tmp_path / "fr").write_text("un chat\nun chat\n")
    files = ["--source", tmp_path / "en", "--target", tmp_path / "fr"]
    message = mistake("score", trained, *files)
    assert "fr, line 2: at most 1024 pieces a side can be scored; got 2200" in message
