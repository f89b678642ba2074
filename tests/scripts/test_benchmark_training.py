"""Tiny models, timed by a clock that goes on by a second whenever it is read."""

import itertools
import json
import sys

import pytest
from benchmarking import contest, corpus, joeynmt, machine, products

from nmt.devices.processor import num_cores

TEXT = corpus.Text(num_train=120, mean_words=6, spread=0.3, lexicon=200)
TINY = ["data.batch_pieces=256", "vocabulary.size=300", "model.dropout=0.1"]
GRU = [
    "model.embedding_dim=8",
    "model.encoder_dim=8",
    "model.decoder_dim=8",
    "model.alignment_dim=8",
    "model.readout_dim=8",
]
TRANSFORMER = [
    "model.model_dim=8",
    "model.feedforward_dim=8",
    "model.encoder_layers=1",
    "model.decoder_layers=1",
]


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A small corpus, a small machine, and a clock that only ever counts its readings."""
    monkeypatch.setenv("NMT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(corpus, "NUM_VALIDATION", 5)
    monkeypatch.setattr(corpus, "NUM_TEST", 5)
    monkeypatch.setattr(products, "SIZES", (16, 32))
    readings = itertools.count()
    monkeypatch.setattr(machine, "choose_clock", lambda cpu_time: lambda: float(next(readings)))
    return str(corpus.generated_corpus(TEXT, tmp_path / "corpus").folder)


@pytest.mark.parametrize(
    "model, precision, seeds, num_shapes, sizes",
    [("A", "bfloat16", 1, 2, GRU), ("B", "float32", 2, 1, TRANSFORMER)],
)
def test_rates_follow_from_the_real_pieces_of_an_epoch(
    load_script, tiny, capsys, model, precision, seeds, num_shapes, sizes
):
    script = load_script("benchmark_training")
    flags = ["--models", model, "--precision", precision, "--seeds", str(seeds), "--seconds", "1"]
    overrides = [f"data.num_shapes={num_shapes}", *TINY, *sizes]
    assert script.main([*flags, "--corpus", tiny, "--json", *overrides]) == 0
    out, errors = capsys.readouterr()
    measured = json.loads(out)  # and nothing else
    assert "round 1" in errors
    # A second for each product of two matrices.
    assert measured["matmul_gflops"] == pytest.approx(2 * 32**3 / 1e9)
    (result,) = measured["results"]
    assert (result["model"], result["precision"]) == (model, precision)
    assert result["num_shapes"] == num_shapes
    # A second for each step: so the rate is the mean number of real pieces in a batch, of all
    # seeds, and what they fill in part are positions of whole batches.
    assert result["milliseconds_per_step"] == pytest.approx(1000)
    num_batches = TEXT.num_train / result["sentences_per_step"]
    rate = result["target_tokens_per_second"]
    positions = rate / seeds / result["real_target_positions"] * num_batches
    assert positions == pytest.approx(round(positions)) and positions <= 256 * num_batches
    assert rate > seeds * result["sentences_per_step"] * 3  # the shortest sentence, with its EOS
    assert result["matmul_gflops"] == measured["matmul_gflops"]
    share = result["model_gflops"] / measured["matmul_gflops"]
    assert result["share_of_matmul"] == pytest.approx(share)
    assert ("bfloat16_matmul_gflops" in result) == (precision == "bfloat16")
    assert len(result["compile_seconds_by_shape"]) == num_shapes
    parts = [*result["compile_seconds_by_shape"], result["compile_seconds_of_update"]]
    assert sum(parts) == pytest.approx(result["compile_seconds"])


def test_mistakes_are_told_in_a_line(load_script, tiny, capsys):
    script = load_script("benchmark_training")
    assert script.main(["--models", "multi30k_gro", "--corpus", tiny]) == 2
    out, errors = capsys.readouterr()
    assert not out and errors.count("\n") == 1 and "multi30k_gru" in errors
    assert script.main(["--precision", "float16"]) == 2


def test_short_steps_are_timed_several_at_a_time():
    """A stand-in for a contestant whose steps take a hundredth of a second each."""
    now = [0.0]

    class Quick(contest.Contestant):
        def __init__(self):
            self.shape_counts = {"short": 3, "long": 1}
            self.times = {"short": [], "long": []}
            self._steps_at_a_time = {}

        def _run(self, shape, steps):
            now[0] += steps * (0.01 if shape == "short" else 1.0)

    class Products:
        def __init__(self):
            self.timed_at = []

        def time_next(self):
            self.timed_at.append(now[0])

        def time_all(self):
            self.timed_at += [now[0]] * 3

    quick, in_turn = Quick(), Products()
    assert contest.run_rounds([quick], [in_turn], lambda: now[0], seconds=3) == 2
    # Each size at first, and one after every shape, the short ones tried once before.
    assert in_turn.timed_at[:4] == [0, 0, 0, pytest.approx(0.01)]
    assert in_turn.timed_at[-1] == now[0]
    assert len(in_turn.timed_at) == 3 + 2 * len(quick.times["long"])
    assert quick.epoch_seconds() == pytest.approx(3 * 0.01 + 1.0)
    assert len(quick.times["long"]) >= len(quick.times["short"])


OURS = [
    {"model": "A", "target_tokens_per_second": 30.0, "vocabulary_size": 300},
    {"model": "C", "target_tokens_per_second": 8.0, "vocabulary_size": 200},
]


def test_joeynmt_is_called_by_its_python_and_set_beside_ours(tmp_path):
    theirs = {"model": "A", "toolkit": "JoeyNMT", "target_tokens_per_second": 10.0}
    python, said = tmp_path / "python", tmp_path / "said"
    python.write_text(
        f"#!/bin/sh\necho \"$@\" >>{said}\necho '{json.dumps({'results': [theirs]})}'\n"
    )
    python.chmod(0o755)
    folder = corpus.Corpus(tmp_path)
    results = joeynmt.with_joeynmt(str(python), folder, OURS, cpu_time=True)
    assert results == [OURS[0] | {"times_joeynmt": 3.0}, OURS[1], theirs]
    assert said.read_text() == (
        f"{joeynmt.SCRIPT} --json --models A --corpus {tmp_path} --vocabulary-size 300 "
        f"--threads {num_cores()} --cpu-time\n"
    )


def test_a_python_without_joeynmt_is_refused_before_anything_is_prepared(load_script, capsys):
    script = load_script("benchmark_training")
    assert script.main(["--corpus", "/nowhere", "--joeynmt", sys.executable]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"benchmark_training: --joeynmt {sys.executable} failed: it has no ")
    assert "joeynmt" in said.partition("it has no")[2] and said.count("\n") == 1


def test_what_was_measured_is_told_though_joeynmt_fails(
    load_script, tiny, tmp_path, capsys, monkeypatch
):
    script = load_script("benchmark_training")
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\ntest "$1" = -c && exit 0\necho it broke >&2\nexit 1\n')
    python.chmod(0o755)
    arguments = ["--models", "A", "--precision", "float32", "--corpus", tiny, "--seconds", "0"]
    arguments += ["--joeynmt", str(python), "--json", *TINY, *GRU, "data.num_shapes=1"]
    assert script.main(arguments) == 2
    out, err = capsys.readouterr()
    assert [result["model"] for result in json.loads(out)["results"]] == ["A"]
    assert err.endswith(f"benchmark_training: --joeynmt {python} failed: it broke\n")
