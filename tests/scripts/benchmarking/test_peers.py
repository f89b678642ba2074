"""Other toolkits by a Python of their own: asked before anything is measured, told in one line."""

import json
import math
import re
import sys

import pytest
from benchmarking import peers
from benchmarking.asking_ctranslate2 import ask_ctranslate2, check_ctranslate2

import nmt
from nmt.config.schema import SearchConfig
from nmt.devices.allocator import HUGE_PAGES, MALLOC_CONF, PRELOAD, TUNABLES
from nmt.errors import ConfigError
from nmt.runs.directory import RunDirectory
from tests.tiny_runs import CONFIG, make_run

MODEL = "{architecture: transformer, model_dim: 8, feedforward_dim: 8, num_heads: 2}"
TRANSFORMER = re.sub("model: {.*}", f"model: {MODEL}", CONFIG)
LINES = ["a small cat sees the dog .", "the dog ."]


def stand_in(path, body):
    """A program that is called as a Python would be."""
    path.write_text(f"#!{sys.executable}\nimport json, os, sys\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_a_python_that_lacks_something_is_refused(tmp_path):
    peers.check_peer("--peer", sys.executable, "json", "numpy")
    with pytest.raises(ConfigError, match="--peer .* failed: it has no nowhere and no noplace"):
        peers.check_peer("--peer", sys.executable, "json", "nowhere", "noplace")
    with pytest.raises(ConfigError, match="--ctranslate2 .*none cannot be run: No such file"):
        check_ctranslate2(str(tmp_path / "none"))


def test_the_last_line_of_a_failure_is_told(tmp_path):
    python = stand_in(tmp_path / "python", "sys.exit('some lines\\nwhat went wrong')")
    with pytest.raises(ConfigError, match="failed: what went wrong$"):
        peers.ask_peer("--peer", python, tmp_path / "script.py")


def test_a_peer_runs_without_the_allocator_that_was_chosen_for_us(tmp_path, monkeypatch):
    for name in (PRELOAD, MALLOC_CONF):  # which the tests may have been started with
        monkeypatch.delenv(name, raising=False)
    for name, value in HUGE_PAGES.items():
        monkeypatch.setenv(name, value)
    python = stand_in(tmp_path / "python", "print(json.dumps(dict(os.environ)))")
    environment = peers.ask_peer("--peer", python, tmp_path / "script.py")
    assert TUNABLES not in environment and environment["OMP_NUM_THREADS"] == str(peers.num_cores())


@pytest.mark.parametrize("cpu_time", [False, True])
def test_ctranslate2_gets_the_search_the_clock_and_the_weights(tmp_path, cpu_time):
    path = make_run(tmp_path / "run", TRANSFORMER)
    translator, config = nmt.load(path), RunDirectory(path).read_config()
    python = stand_in(
        tmp_path / "python",
        "folder = sys.argv[2]\n"
        "request = json.load(open(f'{folder}/request.json'))\n"
        "print(json.dumps({'request': request, 'files': sorted(os.listdir(folder))}))",
    )
    bound = {"max_length_factor": 1.5, "max_length_extra": 4}
    search = SearchConfig(
        beam_size=3, length_norm=0.25, batch_sentences=7, precision="float32", **bound
    )
    pieces = [len(translator.vocabularies.source.encode(line)) + 1 for line in LINES]
    answer = ask_ctranslate2(python, translator, config, LINES, search, 2, cpu_time=cpu_time)
    request = answer["request"]
    wanted = {
        "lines": LINES,
        "beam_size": 3,
        "length_penalty": 0.25,
        "max_length": math.ceil(1.5 * max(pieces)) + 4,
        "batch_sentences": 7,
        "compute_type": "float32",
        "repetitions": 2,
        "cpu_time": cpu_time,
        "num_heads": config.model.num_heads,
        "size": len(translator.vocabularies.target),
    }
    assert {name: request[name] for name in wanted} == wanted
    assert answer["files"] == ["request.json", "vocabulary.model", "weights.npz"]
    json.dumps(request)
