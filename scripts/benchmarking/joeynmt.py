"""JoeyNMT's rates beside ours: `benchmark_joeynmt.py`, run by the Python that has JoeyNMT."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarking.corpus import Corpus
from benchmarking.peers import ask_peer, check_peer
from benchmarking.report import say
from nmt.devices.processor import num_cores

OPTION = "--joeynmt"
SCRIPT = Path(__file__).parents[1] / "benchmark_joeynmt.py"
MODELS = "A", "B"


def check_joeynmt(python: str) -> None:
    """Raises ConfigError where a Python has no JoeyNMT."""
    check_peer(OPTION, python, "joeynmt", "torch", "sentencepiece")


def with_joeynmt(
    python: str, corpus: Corpus, results: Sequence[dict[str, Any]], *, cpu_time: bool
) -> list[dict[str, Any]]:
    """Adds JoeyNMT's results, and to ours of the same models how many times its rate they have.

    Args:
      python: of an environment with joeynmt.
      corpus: to train on.
      results: ours; JoeyNMT gets as many pieces.
      cpu_time: time it by processor time, too.
    Raises:
      ConfigError: it did not run.
    """
    sizes = {result["model"]: result["vocabulary_size"] for result in results}
    theirs = []
    for size in {sizes[name]: None for name in MODELS if name in sizes}:  # each is trained once
        names = ",".join(name for name in MODELS if sizes.get(name) == size)
        say(f"JoeyNMT: {names}")
        arguments = ["--json", "--models", names, "--corpus", str(corpus.folder)]
        arguments += ["--vocabulary-size", str(size), "--threads", str(num_cores())]
        arguments += ["--cpu-time"] if cpu_time else []
        theirs += ask_peer(OPTION, python, SCRIPT, *arguments)["results"]
    return joined(results, theirs)


def joined(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> list[dict]:
    """Both sides' results, ours first."""
    rates = {result["model"]: result["target_tokens_per_second"] for result in theirs}
    with_ratios = [
        result | {"times_joeynmt": result["target_tokens_per_second"] / rates[result["model"]]}
        if result["model"] in rates
        else result
        for result in ours
    ]
    return [*with_ratios, *theirs]
