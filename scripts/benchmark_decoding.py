"""How fast trained models translate: sentences a second, beside BLEU and the machine's limit.

    python scripts/benchmark_decoding.py --corpus FOLDER --beam-sizes 1,5 --ctranslate2 PYTHON

A is the model of configs/multi30k_gru.yaml, B that of configs/multi30k_transformer.yaml; any other
name is a config's. A model is trained for --minutes where --runs has none yet, and goes on from
where it was stopped. The work is the first 1000 sentences of the test split: text in, text out.
Without --corpus the text is the embedded corpus, with smaller vocabularies. CTranslate2 gets the
Transformer's own weights where --ctranslate2 names a Python that has it and sentencepiece.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONFIGS = {"A": "multi30k_gru", "B": "multi30k_transformer"}
SENTENCES = 1000
EMBEDDED = (
    "data.path=embedded data.target_language=fr data.embedded.num_test=1000 vocabulary.size=1200"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Trains what is missing, measures, prints."""
    options = make_parser().parse_args(argv)
    names = options.models.split(",")
    for name in names:
        train(name, options)
    gflops = matmul_gflops()
    results = []
    for name in names:
        for beam_size in map(int, options.beam_sizes.split(",")):
            results += measure(name, beam_size, options)
            print(row(results[-1]), file=sys.stderr, flush=True)
    report = {"matmul_gflops": gflops, "results": results}
    if options.json:
        print(json.dumps(report))
        return 0
    print(f"best square matmul, 1024 to 4096, float32: {gflops:.0f} GFLOP/s")
    print("model  program      precision  beam  sentences/s   BLEU  pieces  compile s  peak MB")
    print("\n".join(map(row, results)))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """What the script takes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="A,B", help="names, A,B by default")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--beam-sizes", default="1,5")
    parser.add_argument("--shortlist", type=int, help="pieces of a sentence's list")
    parser.add_argument("--batch-sentences", type=int, default=64)
    parser.add_argument("--corpus", type=Path, help="a folder with train, val, test_2016_flickr")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--minutes", type=float, default=5.0, help="of training, at most")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--ctranslate2", metavar="PYTHON", help="to measure it beside B")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def train(name: str, options: argparse.Namespace) -> None:
    """Trains a model whose run has no checkpoint yet; its progress goes to stderr."""
    run = options.runs / name
    if any((run / "checkpoints").glob("[0-9]*")) if run.exists() else False:
        return
    corpus = f"data.path={options.corpus} data.validation=val data.test=test_2016_flickr"
    settings = f"data.hub=null {corpus if options.corpus else EMBEDDED}".split()
    settings += [f"training.max_minutes={options.minutes}", "training.warmup_steps=200"]
    settings += ["training.average_decay=0.99", "validation.max_sentences=100"]
    command = [sys.executable, "-m", "nmt.cli", "train"]
    command += [str(ROOT / "configs" / f"{CONFIGS.get(name, name)}.yaml"), *settings]
    subprocess.run([*command, "--run", str(run)], check=True, stdout=sys.stderr)


def measure(name: str, beam_size: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What one model does with one beam, and CTranslate2 with the same weights where asked for."""
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
            "sentences": len(lines),
            "bleu": corpus_bleu(texts, references, target_language=language),
            "mean_output_length": sum(len(ids) + 1 for ids in pieces) / len(lines),
            **more,
        }

    first, texts = timed(translate)
    times = [timed(translate)[0] for _ in range(options.repetitions)]
    seconds = statistics.median(times)
    ours = result(
        "nmt",
        texts,
        seconds,
        compile_seconds=max(0.0, first - seconds),
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        search=asdict(search),
    )
    if options.ctranslate2 is None or config.model.architecture != "transformer":
        return [ours]
    answer = ask_ctranslate2(translator, config, lines, beam_size, options)
    same = sum(a == b for a, b in zip(texts, answer["texts"], strict=True))
    theirs = result(
        f"ctranslate2 {answer['version']}", answer["texts"], answer["seconds"], same_as_ours=same
    )
    theirs["ratio_of_ours"] = ours["sentences_per_second"] / theirs["sentences_per_second"]
    return [theirs, ours]


def ask_ctranslate2(
    translator: Any, config: Any, lines: Sequence[str], beam_size: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Has the other Python translate the same lines with the same weights."""
    import jax
    import numpy as np

    leaves, _ = jax.tree_util.tree_flatten_with_path(translator.params)
    name = lambda path: jax.tree_util.keystr(path, simple=True, separator=".")  # noqa: E731
    target = translator.vocabularies.target
    wanted = ("encoder_layers", "decoder_layers", "num_heads", "norm", "activation", "sinusoids")
    request = {key: getattr(config.model, key) for key in wanted} | {
        "scale_embeddings": config.model.scale_embeddings,
        "size": len(target),
        "bos_id": target.bos_id,
        "eos_id": target.eos_id,
        "unk_id": target.unk_id,
        "pad_id": target.pad_id,
        "lines": list(lines),
        "beam_size": beam_size,
        "batch_sentences": options.batch_sentences,
        "max_length": 256,
        "max_positions": 1024,
        "repetitions": options.repetitions,
        "compute_type": options.precision,
    }
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "weights.npz", **{name(path): leaf for path, leaf in leaves})
        target.save(Path(folder) / "vocabulary.model")
        (Path(folder) / "request.json").write_text(json.dumps(request))
        script = ROOT / "scripts" / "benchmarking" / "ctranslate2_peer.py"
        command = [options.ctranslate2, str(script), folder]
        environment = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
        ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(ended.stdout)


def timed(work: Any) -> tuple[float, Any]:
    """The seconds that work() takes, and what it gives."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def matmul_gflops() -> float:
    """The best square float32 matmul of 1024 to 4096 in this process, GFLOP/s."""
    import jax
    import jax.numpy as jnp

    multiply, best = jax.jit(jnp.matmul), 0.0
    for size in (1024, 2048, 4096):
        matrix = jnp.ones((size, size))
        multiply(matrix, matrix).block_until_ready()
        for _ in range(3):
            seconds, _ = timed(lambda matrix=matrix: multiply(matrix, matrix).block_until_ready())
            best = max(best, 2 * size**3 / seconds / 1e9)
    return best


def row(result: dict[str, Any]) -> str:
    """A line of the table."""
    compiled, peak = result.get("compile_seconds"), result.get("peak_memory_mb")
    return (
        f"{result['model']:6} {result['program'][:12]:12} {result['precision']:9} "
        f"{result['beam_size']:5} {result['sentences_per_second']:12.1f} {result['bleu']:6.2f} "
        f"{result['mean_output_length']:7.1f} {'' if compiled is None else f'{compiled:.1f}':>10} "
        f"{'' if peak is None else f'{peak:.0f}':>8}"
    )


if __name__ == "__main__":
    sys.exit(main())
