"""How fast trained models translate: sentences a second, beside BLEU and the machine's limit.

    python scripts/benchmark_decoding.py --corpus FOLDER --beam-sizes 1,5
    taskset -c 0 python scripts/benchmark_decoding.py --models B --ctranslate2 PYTHON --json

A is the model of configs/multi30k_gru.yaml, B that of configs/multi30k_transformer.yaml; any other
name is a config's. Where the folder --runs has no run of a model with a checkpoint, one is trained
for --minutes first. The work is the first 1000 sentences of the test split, text in and text out,
in the order in which they stand, in turn with square products of float32 (`matmul_gflops`). A run
has its own corpus; one that is trained gets --corpus, or generated text without it. CTranslate2
gets the Transformer's own weights where --ctranslate2 names a Python that has it and sentencepiece.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from running.command_line import ScriptParser, at_least_one, comma_separated, one_line_errors

from nmt.devices.allocator import choose_allocator
from nmt.devices.compiled_programs import use_compilation_cache
from nmt.errors import NmtError

SENTENCES = 1000


@one_line_errors(__file__)
def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, trains what is missing, measures and reports."""
    options = _parser().parse_args(arguments)
    use_compilation_cache()
    _benchmark(options)
    return 0


def _benchmark(options: argparse.Namespace) -> None:
    from benchmarking.asking_ctranslate2 import check_ctranslate2
    from benchmarking.machine import choose_clock, describe_machine, peak_memory
    from benchmarking.report import report, say

    clock = choose_clock(options.cpu_time)
    if options.ctranslate2 is not None:
        check_ctranslate2(options.ctranslate2)
    names = options.models
    untrained = [n for n in names if not any((options.runs / n).glob("checkpoints/[0-9]*"))]
    for name in names:
        if name not in untrained:
            _check_corpus(name, options)
    for name in untrained:
        _train(name, options)
    results = []
    for name in names:
        for beam_size in options.beam_sizes:
            say(f"{name}, beam {beam_size}")
            results += _measured(name, beam_size, options, clock)
    head = {
        "matmul_gflops": max(r["matmul_gflops"] for r in results if "matmul_gflops" in r),
        "corpus": {name: _corpus(name, options) for name in names},
        "clock": "processor time" if options.cpu_time else "wall",
        "peak_memory_mib": peak_memory() / 2**20,
        "machine": describe_machine(),
    }
    report(head, results, as_json=options.json)


def _parser() -> ScriptParser:
    parser = ScriptParser(__file__, __doc__)
    add = parser.add_argument
    add("--models", type=comma_separated, default=["A", "B"], help="A,B or names of configs")
    add("--precision", choices=("float32", "bfloat16"), default="float32", help="of matmuls")
    add("--beam-sizes", type=_sizes, default=[1, 5], metavar="K,...", help="1 is greedy search")
    add("--shortlist", type=int, metavar="N", help="search.shortlist; the whole vocabulary without")
    add("--batch-sentences", type=int, default=64, metavar="N", help="search.batch_sentences")
    add("--corpus", metavar="DIR", help="with train, val, test_2016_flickr; or text is generated")
    add("--runs", type=Path, default=Path("runs/benchmark"), metavar="DIR", help="with a run each")
    add("--minutes", type=float, default=5.0, help="of training, where there is no run")
    add("--repetitions", type=at_least_one, default=3, metavar="N", help="the median counts")
    add("--cpu-time", action="store_true", help="time by processor time, where others work too")
    add("--ctranslate2", metavar="PYTHON", help="to measure it beside Transformers")
    add("--json", action="store_true", help="print one JSON object")
    return parser


def _sizes(text: str) -> list[int]:
    """Numbers with commas between them."""
    return [at_least_one(part) for part in text.split(",")]


def _corpus(name: str, options: argparse.Namespace) -> str:
    """What a run was trained on, and is measured on."""
    from nmt.runs.directory import RunDirectory

    data = RunDirectory.open(options.runs / name).read_config().data
    return data.hub or data.path


def _check_corpus(name: str, options: argparse.Namespace) -> None:
    """Raises NmtError where a run is not of the corpus that is asked for."""
    has = _corpus(name, options)
    if options.corpus is not None and Path(options.corpus).resolve() != Path(has).resolve():
        raise NmtError(
            f"run {options.runs / name} is of the corpus {has}, not of --corpus {options.corpus}; "
            "choose another folder with --runs"
        )


def _train(name: str, options: argparse.Namespace) -> None:
    """Trains a model by the command itself; what it says goes to stderr."""
    from benchmarking.corpus import choose_corpus
    from benchmarking.models import CONFIGS, NAMES
    from benchmarking.preparing import kept_folder

    config = CONFIGS / f"{NAMES.get(name, name)}.yaml"
    settings = [
        *choose_corpus(options.corpus, "multi30k", kept_folder()).overrides,
        f"training.max_minutes={options.minutes}",
        "training.warmup_steps=200",
        "training.average_decay=0.99",
        "validation.max_sentences=100",
    ]
    command = [sys.executable, "-m", "nmt.cli", "train", config, *settings]
    ended = subprocess.run([*command, "--run", options.runs / name], stdout=sys.stderr)
    if ended.returncode:
        raise NmtError(f"training {name} ended with status {ended.returncode}")


def _measured(
    name: str, beam_size: int, options: argparse.Namespace, clock: Callable[[], float]
) -> list[dict[str, Any]]:
    """What one model does with one beam, and before it CTranslate2 with the same weights."""
    from benchmarking.products import SquareProducts

    import nmt
    from nmt.analysis.scores import corpus_bleu
    from nmt.data.corpus import load_split
    from nmt.runs.directory import RunDirectory

    run = RunDirectory.open(options.runs / name)
    config = run.read_config()
    split = load_split(config.data, config.data.test[0])
    lines, references = list(split.source[:SENTENCES]), list(split.target[:SENTENCES])
    translator = nmt.load(run.path)
    search = replace(
        config.search,
        method="beam",
        beam_size=beam_size,
        temperature=1.0,
        top_k=None,
        top_p=None,
        precision=options.precision,
        shortlist=options.shortlist,
        batch_sentences=options.batch_sentences,
    )

    def translate() -> list[str]:
        return [found.text for found in translator.translate(lines, align=False, search=search)]

    def result(program: str, texts: Sequence[str], seconds: float, **more: Any) -> dict[str, Any]:
        pieces = translator.vocabularies.target.encode_batch(texts)
        language = config.data.target_language
        return {
            "model": name,
            "program": program,
            "precision": options.precision,
            "beam_size": beam_size,
            "sentences_per_second": len(lines) / seconds,
            "bleu": corpus_bleu(texts, references, target_language=language),
            "mean_output_length": sum(len(ids) + 1 for ids in pieces) / len(lines),
            **more,
        }

    first, texts = _timed(translate, clock)
    products, times = SquareProducts("float32", clock), []
    products.time_all()
    for _ in range(options.repetitions):
        times.append(_timed(translate, clock)[0])
        products.time_all()
    seconds = statistics.median(times)
    ours = result(
        "nmt",
        texts,
        seconds,
        matmul_gflops=products.gflops(),
        compile_seconds=max(0.0, first - seconds),
        search=asdict(search),
    )
    is_theirs = config.model.architecture == "transformer" and config.vocabulary.kind != "word"
    if options.ctranslate2 is None or not is_theirs:
        return [ours]
    from benchmarking.asking_ctranslate2 import ask_ctranslate2

    answer = ask_ctranslate2(
        options.ctranslate2,
        translator,
        config,
        lines,
        search,
        options.repetitions,
        cpu_time=options.cpu_time,
    )
    theirs = result(f"ctranslate2 {answer['version']}", answer["texts"], answer["seconds"])
    ours["times_ctranslate2"] = ours["sentences_per_second"] / theirs["sentences_per_second"]
    ours["equal_outputs"] = sum(a == b for a, b in zip(texts, answer["texts"], strict=True))
    return [ours, theirs]


def _timed(work: Callable[[], Any], clock: Callable[[], float]) -> tuple[float, Any]:
    """The seconds that work() takes, and what it gives."""
    start = clock()
    result = work()
    return clock() - start, result


if __name__ == "__main__":
    choose_allocator()  # as the command `nmt` does
    sys.exit(main())
