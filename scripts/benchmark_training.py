"""How fast models train: real target pieces a second, and the share of the machine's arithmetic.

    python scripts/benchmark_training.py --corpus FOLDER
    taskset -c 0 python scripts/benchmark_training.py --models A --precision bfloat16 --json

Model A is configs/multi30k_gru.yaml, B is configs/multi30k_transformer.yaml; any other NAME is
configs/NAME.yaml. FOLDER holds train, val and test_2016_flickr as .en and .de files, plain or .gz;
without one, text of the same lengths is generated. No pair is left out for its length.

The corpus is prepared as `nmt train` does it, and its own compiled steps are timed; see
scripts/benchmarking/contest.py for how, flops.py for what counts as arithmetic. `share_of_matmul`
is of the best square product in float32, timed in turn with the steps (products.py). Of a pinned
process one thread works. Rates count real target pieces, EOS included, and never padding.

With --joeynmt, JoeyNMT trains A and B on the same corpus afterwards, in a process of its own with
as many threads, and `times_joeynmt` says how many times its rate each model has reached.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from running.command_line import ScriptParser, comma_separated, one_line_errors

from nmt.devices.allocator import choose_allocator
from nmt.devices.compiled_programs import use_compilation_cache

PRECISIONS = ("float32", "bfloat16")


@one_line_errors(__file__)
def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, measures and reports; returns the exit status."""
    options = _parser().parse_args(arguments)
    if not options.cold:
        use_compilation_cache()
    _benchmark(options)
    return 0


def _benchmark(options: argparse.Namespace) -> None:
    import jax
    from benchmarking.contest import Contestant, run_rounds
    from benchmarking.corpus import choose_corpus
    from benchmarking.joeynmt import check_joeynmt, with_joeynmt
    from benchmarking.machine import choose_clock, describe_machine, peak_memory
    from benchmarking.models import model_config
    from benchmarking.preparing import kept_folder, prepared
    from benchmarking.products import SquareProducts
    from benchmarking.report import report, say

    clock = choose_clock(options.cpu_time)
    if options.joeynmt is not None:
        check_joeynmt(options.joeynmt)
    kept = kept_folder()
    corpus = choose_corpus(options.corpus, options.text, kept)
    configs = {
        name: [model_config(name, corpus, _overrides(options, p)) for p in options.precision]
        for name in options.models
    }
    results = []
    # One model after the other, as Linux bounds the programs that a process can hold.
    for name, of_model in configs.items():
        contestants = []
        for config in of_model:
            say(f"{name} in {config.training.precision}: preparing and compiling")
            contestants.append(Contestant(name, config, prepared(config, corpus, kept)))
        precisions = dict.fromkeys(["float32", *options.precision])
        products = {precision: SquareProducts(precision, clock) for precision in precisions}
        rounds = run_rounds(contestants, list(products.values()), clock, seconds=options.seconds)
        results += [_result(contestant, products, rounds) for contestant in contestants]
        del contestants, products
        jax.clear_caches()
    head = {
        "matmul_gflops": max(result["matmul_gflops"] for result in results),
        "corpus": options.corpus or f"generated ({options.text})",
        "clock": "processor time" if options.cpu_time else "wall",
        "peak_memory_mib": peak_memory() / 2**20,
        "machine": describe_machine(),
    }
    try:
        if options.joeynmt is not None:
            results = with_joeynmt(options.joeynmt, corpus, results, cpu_time=options.cpu_time)
    finally:  # ours are measured whatever becomes of the others
        report(head, results, as_json=options.json)


def _result(contestant, products, rounds: int) -> dict[str, Any]:
    from benchmarking.flops import work

    config, batches = contestant.config, contestant.batches
    seeds = len(contestant.members)
    seconds = contestant.epoch_seconds()
    lengths = batches.pairs.source.lengths, batches.pairs.target.lengths
    whole = work(config.model, contestant.vocabulary_size, *lengths)
    gflops = seeds * whole.training_flops / seconds / 1e9
    compiled = contestant.compiled
    precision, matmul = config.training.precision, products["float32"].gflops()
    ceiling = (
        {}
        if precision == "float32"
        else {f"{precision}_matmul_gflops": products[precision].gflops()}
    )
    return {
        "model": contestant.name,
        "precision": precision,
        "seeds": seeds,
        "vocabulary_size": contestant.vocabulary_size,
        "target_tokens_per_second": seeds * int(lengths[1].sum()) / seconds,
        "share_of_matmul": gflops / matmul,
        "model_gflops": gflops,
        "matmul_gflops": matmul,
        "matmul_gflops_by_size": products["float32"].gflops_by_size(),
        **ceiling,
        "milliseconds_per_step": 1000 * seconds / batches.num_batches,
        "sentences_per_step": len(batches.pairs) / batches.num_batches,
        "rounds": rounds,
        "num_shapes": len(batches.shapes),
        "real_source_positions": batches.fill.source,
        "real_target_positions": batches.fill.target,
        "step_memory_mib": compiled.mebibytes,
        "compile_seconds": sum(compiled.seconds) + compiled.update_seconds,
        "compile_seconds_by_shape": compiled.seconds,
        "compile_seconds_of_update": compiled.update_seconds,
    }


def _overrides(options: argparse.Namespace, precision: str) -> list[str]:
    """What is changed in every config."""
    overrides = [
        "data.max_pieces=null",
        "data.cleaning.max_words=null",
        "data.cleaning.max_length_ratio=null",
        "training.accumulation=1",
        f"training.precision={precision}",
        f"training.num_seeds={options.seeds}",
    ]
    if options.batch_pieces is not None:
        overrides += [f"data.batch_pieces={options.batch_pieces}", "data.batch_sentences=null"]
    return overrides + options.overrides


def _parser() -> ScriptParser:
    parser = ScriptParser(__file__, __doc__)
    add = parser.add_argument
    add("--models", type=comma_separated, default=["A", "B"], help="A,B or names of configs")
    add("--precision", type=_precisions, default=list(PRECISIONS), help="float32,bfloat16")
    add("--corpus", metavar="DIR", help="a corpus; generated text without it")
    add("--text", choices=("multi30k", "wmt14"), default="multi30k", help="lengths of such text")
    add("--batch-pieces", type=int, metavar="N", help="data.batch_pieces; that of the config")
    add("--seeds", type=int, default=1, metavar="N", help="models trained at once, by vmap")
    add("--seconds", type=float, default=60, help="of timed steps, for each model and precision")
    add("--cpu-time", action="store_true", help="time by processor time, where others work too")
    add("--joeynmt", metavar="PYTHON", help="of an environment with joeynmt 2.3.0: compare with it")
    add("--cold", action="store_true", help="compile all anew, to see what it costs")
    add("--json", action="store_true", help="print one object instead of a table")
    parser.add_overrides("every config")
    return parser


def _precisions(text: str) -> list[str]:
    names = comma_separated(text)
    if not names or not set(names) <= set(PRECISIONS):
        raise argparse.ArgumentTypeError(f"wanted float32, bfloat16 or both; got {text!r}")
    return names


if __name__ == "__main__":
    choose_allocator()  # as the command `nmt` does
    sys.exit(main())
