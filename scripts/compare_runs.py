"""Sets trained runs side by side: validation BLEU against minutes, and test BLEU against length.

    python scripts/compare_runs.py RUN [RUN ...] --split NAME [--edges 10,20] [--output FOLDER]

Each run must have been evaluated on the split (nmt evaluate RUN --split NAME); of several
evaluations the newest counts. Tables go to standard output; FOLDER gets
validation.png and length.png.
"""

import argparse
import json
import sys
from pathlib import Path

from nmt.analysis.curves import curve, plot_bleu_by_length, plot_curves
from nmt.analysis.records import read_records
from nmt.analysis.scores import LengthBucket, bleu_by_length
from nmt.errors import NmtError, RunError
from nmt.runs.directory import RunDirectory


def read_evaluation(run: RunDirectory, split: str) -> dict:
    """The newest evaluation of a split."""
    found = sorted(
        run.evaluations.glob(f"{split}.*.*.json"), key=lambda path: path.stat().st_mtime_ns
    )
    if not found:
        raise RunError(f"run {run.path} was not evaluated on split {split!r}")
    return json.loads(found[-1].read_text(encoding="utf-8"))


def by_length(evaluation: dict, edges: list[int]) -> list[LengthBucket]:
    """The evaluation's BLEU by words of the source."""
    return bleu_by_length(
        evaluation["sources"],
        evaluation["hypotheses"],
        evaluation["references"],
        edges,
        target_language=evaluation["target_language"],
        tokenized=evaluation["tokenized"],
    )


def print_lengths(systems: dict[str, list[LengthBucket]], evaluations: dict[str, dict]) -> None:
    """Tokenised lowercased BLEU: of all sentences, and of each bucket."""
    buckets = next(iter(systems.values()))
    labels = [f"{bucket.label} words ({bucket.count})" for bucket in buckets]
    width = max(map(len, systems))
    print(f"{'run':<{width}} {'all':>8} " + " ".join(f"{label:>20}" for label in labels))
    for name, of_run in systems.items():
        scores = [bucket.bleu_tokenized_lowercase for bucket in of_run]
        cells = " ".join(f"{'-' if score is None else f'{score:.2f}':>20}" for score in scores)
        print(f"{name:<{width}} {evaluations[name]['bleu_tokenized_lowercase']:>8.2f} {cells}")


def main() -> int:
    """Returns 0, or 2 for a mistake."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--split", required=True)
    parser.add_argument(
        "--edges", default="10,20", help="longest words of each bucket but the last"
    )
    parser.add_argument("--output", type=Path, help="a folder for the pictures")
    arguments = parser.parse_args()
    edges = [int(edge) for edge in arguments.edges.split(",")]
    try:
        runs = {str(Path(path)): RunDirectory.open(path) for path in arguments.runs}
        evaluations = {name: read_evaluation(run, arguments.split) for name, run in runs.items()}
        systems = {name: by_length(evaluations[name], edges) for name in runs}
        curves = [
            curve(
                read_records(run.metrics_file), "seconds", "validation_bleu", name=name, x_unit=60
            )
            for name, run in runs.items()
        ]
    except NmtError as error:
        print(f"compare_runs: {error}", file=sys.stderr)
        return 2
    print("validation BLEU against minutes")
    for line in curves:
        points = zip(line.x, line.y, strict=True)
        print(
            f"{line.name:<{max(map(len, runs))}} "
            + "  ".join(f"{x:.1f}: {y:.2f}" for x, y in points)
        )
    print("\nBLEU, tokenised and lowercased, by length of the source")
    print_lengths(systems, evaluations)
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
        picture = arguments.output / "validation.png"
        plot_curves(curves, picture, x_label="minutes", y_label="validation BLEU")
        picture = arguments.output / "length.png"
        plot_bleu_by_length(systems, picture, tokenized_lowercase=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
