"""What `nmt compare` prints: scores of runs beside those of the first, as tables or an object."""

import json
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt.analysis.significance import PairedBootstrap, Resampled
from nmt.analysis.spread import deviation, in_words, mean
from nmt.commands.evaluations import Evaluation
from nmt.commands.tables import SCORES, columns, length_table, length_unit, signature_lines
from nmt.config.reader import differing_keys

if TYPE_CHECKING:
    from nmt.analysis.curves import Curve
    from nmt.analysis.scores import Scores


class Compared(NamedTuple):
    """A run, and what came out.

    Attributes:
      name: as the user wrote it.
      evaluation: its scores.
      kept_in: the file that had its translations already; None where they were made.
      of_seeds: its scores and those of the other seeds, by seed; none where one model is asked for.
      resampled: what the bootstrap says of each score, by its name.
      validation: BLEU against minutes of training.
    """

    name: str
    evaluation: Evaluation
    kept_in: Path | None
    of_seeds: dict[int, "Scores"]
    resampled: dict[str, Resampled]
    validation: "Curve"


def to_json(compared: Sequence[Compared], bootstrap: PairedBootstrap) -> dict:
    """All that the tables show, and what they have no room for."""
    first = compared[0]
    runs = []
    for name, evaluation, kept_in, of_seeds, resampled, validation in compared:
        runs.append(
            {
                "run": name,
                **evaluation.to_dict(),
                "kept_in": None if kept_in is None else str(kept_in),
                "bootstrap": {score: result.to_dict() for score, result in resampled.items()},
                "differs": _differences(first.evaluation, evaluation),
                "validation": {
                    "of": validation.name,
                    "minutes": validation.x,
                    "bleu": validation.y,
                },
                **({"seeds": _seeds_to_json(of_seeds)} if of_seeds else {}),
            }
        )
    return {
        "baseline": first.name,
        "split": first.evaluation.split.name,
        "sentences": len(first.evaluation.split),
        "signatures": bootstrap.signatures,
        "runs": runs,
    }


def _seeds_to_json(of_seeds: Mapping[int, "Scores"]) -> dict:
    """The mean and standard deviation of each score, and the scores of each seed."""
    found = {}
    for score in SCORES:
        values = {str(seed): getattr(scores, score) for seed, scores in of_seeds.items()}
        spread = {"mean": mean(values.values()), "standard_deviation": deviation(values.values())}
        found[score] = spread | {"by_seed": values}
    return found


def _differences(first: Evaluation, other: Evaluation) -> dict[str, dict[str, Any]]:
    """The search settings, and the compute type, in which two differ: both values by key."""
    pairs = {
        key: (theirs, ours)
        for key, ours, theirs in differing_keys(first.config, other.config)
        if key.startswith("search.")
    }
    if other.precision != first.precision:
        pairs["precision"] = other.precision, first.precision
    return {key: {"run": here, "baseline": there} for key, (here, there) in pairs.items()}


def _differences_line(compared: Sequence[Compared]) -> list[str]:
    """One line on the runs that were not searched as the first; none where all were."""
    first, *others = compared
    told = []
    for of_run in others:
        found = _differences(first.evaluation, of_run.evaluation).items()
        words = [f"{k} {json.dumps(v['run'])}, not {json.dumps(v['baseline'])}" for k, v in found]
        told += [f"{of_run.name} ({'; '.join(words)})"] if words else []
    return [f"not searched as {first.name}: {', '.join(told)}"] if told else []


def table(compared: Sequence[Compared], bootstrap: PairedBootstrap) -> list[str]:
    """Scores with their 95 % confidence intervals and p; below them by length, and notes."""
    evaluations = [of_run.evaluation for of_run in compared]
    split, unit = evaluations[0].split, length_unit(evaluations[0].config.data)
    rows = [["run", *(heading for score in SCORES.values() for heading in (score, "p"))]]
    best = [["run", "best validation BLEU", "minutes"]]
    for name, _, _, _, resampled, validation in compared:
        cells = (_cells(resampled[score]) for score in SCORES)
        rows.append([name, *(cell for pair in cells for cell in pair)])
        points = zip(validation.y, validation.x, strict=True)  # of equal ones the first is kept
        bleu, minutes = max(points, key=itemgetter(0), default=(None, None))
        best.append([validation.name, *("-" if x is None else f"{x:.1f}" for x in (bleu, minutes))])
    lines = [
        f"{split.name}, {'1 sentence' if len(split) == 1 else f'{len(split)} sentences'}",
        f"± half the 95 % confidence interval; p of the difference to {compared[0].name}",
        *_differences_line(compared),
        *columns(rows),
    ]
    seeds = [["run", "seeds", *SCORES.values()]]
    for of_run in (of_run for of_run in compared if of_run.of_seeds):
        means = (in_words([getattr(s, key) for s in of_run.of_seeds.values()]) for key in SCORES)
        seeds.append([of_run.name, str(len(of_run.of_seeds)), *means])
    if len(seeds) > 1:
        lines += ["", "several seeds, mean ± standard deviation; above, the first", *columns(seeds)]
    if evaluations[0].by_length is not None:
        of_lengths = zip(*(evaluation.by_length for evaluation in evaluations), strict=True)
        names = [of_run.name for of_run in compared]
        buckets = [pair for of_runs in of_lengths for pair in zip(names, of_runs, strict=True)]
        lines += ["", *length_table("run", buckets, unit)]
    return [*lines, "", *columns(best), "", *signature_lines(bootstrap.signatures)]


def _cells(resampled: Resampled) -> tuple[str, str]:
    """A score and its p; the baseline has none."""
    p_value = "" if resampled.p_value is None else f"{resampled.p_value:.4f}"
    return f"{resampled.score:.2f} ± {resampled.interval:.2f}", p_value
