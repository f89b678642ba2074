"""JoeyNMT's rates beside ours: `benchmark_joeynmt.py`, run by the Python that has JoeyNMT."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarking.corpus import Corpus
from benchmarking.machine import num_cores
from benchmarking.report import say
from nmt.errors import ConfigError

SCRIPT = Path(__file__).parents[1] / "benchmark_joeynmt.py"
MODELS = "A", "B"


def with_joeynmt(
    python: str, corpus: Corpus, results: Sequence[dict[str, Any]], *, cpu_time: bool
) -> list[dict[str, Any]]:
    """Adds JoeyNMT's results, and to ours of the same models how many times its rate they have.

    Args:
      python: of an environment with joeynmt.
      corpus: to train on.
      results: ours.
      cpu_time: time it by processor time, too.
    Raises:
      ConfigError: it did not run.
    """
    models = [name for name in MODELS if any(result["model"] == name for result in results)]
    if not models:
        return list(results)
    say(f"JoeyNMT: {' and '.join(models)}")
    command = [python, str(SCRIPT), "--json", "--models", ",".join(models)]
    command += ["--corpus", str(corpus.folder), "--threads", str(num_cores())]
    command += ["--cpu-time"] if cpu_time else []
    try:
        ended = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise ConfigError(f"--joeynmt {python} cannot be run: {error.strerror}") from None
    if ended.returncode:
        last = (ended.stderr.strip() or "no message").splitlines()[-1]
        raise ConfigError(f"--joeynmt {python}: benchmark_joeynmt.py failed: {last}")
    return joined(results, json.loads(ended.stdout)["results"])


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
