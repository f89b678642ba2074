"""What a run directory tells of the training that made it."""

import statistics
from pathlib import Path

from nmt.analysis.records import read_records

MEASURED = (
    "parameters",
    "target_tokens_per_second",
    "steps",
    "epoch",
    "validation_perplexity",
    "validation_bleu",
)


def measured(run: Path) -> dict[str, float | int | None]:
    """What a run has come to; `epoch` is the one in which it ended, the first being 1."""
    from nmt.models.build import count_parameters
    from nmt.runs.checkpoints import Checkpoints

    records = read_records(run / "metrics.jsonl")
    logged = [record for record in records if "tokens_per_second" in record]
    validations = [record for record in records if "validation_bleu" in record]
    best = max(validations, key=lambda record: record["validation_bleu"])
    checkpoints = Checkpoints(run / "checkpoints")
    weights = checkpoints.load_item(*checkpoints.resolve("last"))
    values = (
        count_parameters(weights),
        statistics.median(record["tokens_per_second"] for record in logged),
        logged[-1]["step"],
        logged[-1]["epoch"],
        best["validation_perplexity"],
        best["validation_bleu"],
    )
    return dict(zip(MEASURED, values, strict=True))
