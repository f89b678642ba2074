"""How long nmt takes to start: to the first translation, to the first step, and for one sentence.

    python scripts/benchmark_startup.py --corpus FOLDER
    taskset -c 0 python scripts/benchmark_startup.py --models B --repetitions 5 --json

Model A is configs/multi30k_gru.yaml, B is configs/multi30k_transformer.yaml; any other NAME is
configs/NAME.yaml. FOLDER holds train, val and test_2016_flickr as .en and .de files, plain or .gz;
without one, text of the same lengths is generated. Measured are, for each model,

    translate    `nmt translate RUN` of one line, from the start of its process to its end
    train        `nmt train` in a run that is prepared, from the process's start to the first step
    sentence     one sentence after another through a translator that is loaded and warm

the commands once with an empty cache of compiled programs (cold), then --repetitions times with
what that left there (warm), of which the medians are given. How the time of a command divides is
what scripts/benchmarking/timeline.py measures; `cpu` is the processor time of the process.

The models are not trained, and would never end a sentence: they may write as many pieces as they
read, about as many as trained ones do. With --runs, trained ones translate; of the overrides those
of search count for them, such as search.shortlist=2000.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from json import loads
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarking.timeline import END
from running.command_line import ScriptParser, at_least_one, comma_separated, one_line_errors

from nmt.devices.allocator import choose_allocator, unchosen
from nmt.devices.compiled_programs import use_compilation_cache
from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.runs.directory import RunDirectory

TIMELINE = Path(__file__).parent / "benchmarking" / "timeline.py"
AS_LONG_AS_THE_SOURCE = ("search.max_length_factor=1.0", "search.max_length_extra=1")


@one_line_errors(__file__)
def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, measures and reports; returns the exit status."""
    options = _parser().parse_args(arguments)
    use_compilation_cache()
    with tempfile.TemporaryDirectory(prefix="nmt-startup-") as folder:
        _benchmark(options, Path(folder))
    return 0


def _benchmark(options: argparse.Namespace, folder: Path) -> None:
    from benchmarking.corpus import SOURCE, TEST, choose_corpus
    from benchmarking.machine import describe_machine
    from benchmarking.models import model_config
    from benchmarking.preparing import kept_folder
    from benchmarking.products import SquareProducts
    from benchmarking.report import report, say

    from nmt.data.text_files import read_lines
    from nmt.runs.directory import RunDirectory

    trained = {}
    if options.runs is not None:
        trained = {name: RunDirectory.open(options.runs / name) for name in options.models}
    corpus = choose_corpus(options.corpus, options.text, kept_folder())
    lines = read_lines(corpus.file(TEST, SOURCE))[: options.sentences]
    search = [override for override in options.overrides if override.startswith("search.")]
    products, results = SquareProducts("float32", time.perf_counter), []
    products.time_all()
    for name in options.models:
        say(f"{name}: preparing a run")
        overrides = (*AS_LONG_AS_THE_SOURCE, *options.overrides)
        run = untrained_run(model_config(name, corpus, overrides), folder / name)
        say(f"{name}: starting to train")
        command = ["train", run / "config.yaml", "--run", _without_checkpoints(run)]
        results += _starts(name, command, folder, options.repetitions)
        translating = trained.get(name) or RunDirectory.open(run)
        results += _translating(name, translating, search, lines, folder, options.repetitions)
        products.time_all()
    head = {
        "matmul_gflops": products.gflops(),
        "corpus": options.corpus or f"generated ({options.text})",
        "machine": describe_machine(),
    }
    report(head, results, as_json=options.json)


def untrained_run(config, path: Path):
    """A run of a config as training leaves it, but for the training: returns its path."""
    from nmt.models.build import build_model, split_model
    from nmt.runs.checkpoints import PARAMS, Checkpoints
    from nmt.runs.directory import RunDirectory
    from nmt.training.preparation import prepare

    run = RunDirectory.create(path, config)
    with run.locked():
        sizes = [len(side) for side in prepare(config, run).vocabularies]
    model = build_model(config.model, source_size=sizes[0], target_size=sizes[1])
    checkpoints = Checkpoints(run.checkpoints)
    checkpoints.save(1, {PARAMS: split_model(model)[1]}, score=1.0)
    checkpoints.close()
    return path


def _without_checkpoints(run: Path) -> Path:
    """A copy in which training has not begun."""
    copied = run.with_name(f"{run.name}-train")
    shutil.copytree(run, copied, ignore=shutil.ignore_patterns("checkpoints"))
    return copied


def _translating(
    name: str,
    run: "RunDirectory",
    overrides: Sequence[str],
    lines: Sequence[str],
    folder: Path,
    repetitions: int,
) -> list[dict[str, Any]]:
    """What translating with a run takes: the command, and a sentence in a loaded translator."""
    from benchmarking.report import say

    say(f"{name}: translating")
    one = folder / "one.txt"
    one.write_text(lines[0] + "\n", encoding="utf-8")
    starts = _starts(name, ["translate", run.path, one, *overrides], folder, repetitions)
    return [*starts, *_sentences(name, run, overrides, lines, repetitions)]


def _starts(
    name: str, command: Sequence[Any], folder: Path, repetitions: int
) -> list[dict[str, Any]]:
    """What a command takes, cold and warm."""
    cache = folder / f"cache-{name}-{command[0]}"
    cold, *warm = [started(command, cache, folder) for _ in range(1 + repetitions)]
    what = {"model": name, "measured": command[0]}
    warm = {stage: median(numbers[stage] for numbers in warm) for stage in warm[0]}
    return [
        {**what, "cache": "cold", "repetitions": 1, **_in_columns(cold)},
        {**what, "cache": "warm", "repetitions": repetitions, **_in_columns(warm)},
    ]


def started(command: Sequence[Any], cache: Path, folder: Path) -> dict[str, float]:
    """Runs a command of nmt: the seconds of its stages, in all, and of the processor.

    Raises:
      NmtError: it failed, and what it said.
    """
    numbers = folder / "numbers.json"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # The child chooses its allocator as a command does, which starts it anew.
    environment = unchosen(os.environ) | {"NMT_CACHE": str(cache)}
    start = time.time()
    environment["BENCHMARK_START"] = repr(start)
    ended = subprocess.run(
        [sys.executable, TIMELINE, numbers, *map(str, command)],
        env=environment,
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise NmtError(f"nmt {command[0]} failed: {ended.stderr.strip()}")
    total = time.time() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    stages = loads(numbers.read_text())
    left = total - stages["total"]  # in which the process ended
    return {**stages, END: stages.get(END, 0.0) + left, "total": total, "cpu": cpu}


def _in_columns(numbers: Mapping[str, float]) -> dict[str, float]:
    """The stages under names for a table, the sums first."""
    first = ("total", "cpu")
    stages = [stage for stage in numbers if stage not in first]
    return {f"{stage.replace(' ', '_')}_seconds": numbers[stage] for stage in (*first, *stages)}


def _sentences(
    name: str,
    run: "RunDirectory",
    overrides: Sequence[str],
    lines: Sequence[str],
    repetitions: int,
) -> list[dict[str, Any]]:
    """Milliseconds of a sentence, without and with alignments."""
    from nmt.decoding.loading import load

    translator, search = load(run.path), run.read_config(overrides).search
    results = []
    for align in (False, True)[: 1 + translator.has_attention]:
        times, cpu_times = [], []
        for line in lines:
            translator.translate(line, align=align, search=search)  # whatever must be compiled is
        for _ in range(repetitions):
            for line in lines:
                start, cpu_start = time.perf_counter(), time.process_time()
                translator.translate(line, align=align, search=search)
                times.append(time.perf_counter() - start)
                cpu_times.append(time.process_time() - cpu_start)
        results.append(
            {
                "model": name,
                "measured": "sentence, aligned" if align else "sentence",
                "repetitions": repetitions,
                "sentence_milliseconds": 1000 * median(times),
                "sentence_cpu_milliseconds": 1000 * median(cpu_times),
            }
        )
    return results


def _parser() -> ScriptParser:
    parser = ScriptParser(__file__, __doc__)
    add = parser.add_argument
    add("--models", type=comma_separated, default=["A", "B"], help="A,B or names of configs")
    add("--runs", type=Path, metavar="DIR", help="with a trained run of each model, to translate")
    add("--corpus", metavar="DIR", help="a corpus; generated text without it")
    add("--text", choices=("multi30k", "wmt14"), default="multi30k", help="lengths of such text")
    number = {"type": at_least_one, "metavar": "N"}
    add("--repetitions", **number, default=5, help="warm starts, and of sentences")
    add("--sentences", **number, default=50, help="of the test split, one at a time")
    add("--json", action="store_true", help="print one object instead of a table")
    parser.add_overrides("every config")
    return parser


if __name__ == "__main__":
    choose_allocator()  # as the command `nmt` does
    sys.exit(main())
