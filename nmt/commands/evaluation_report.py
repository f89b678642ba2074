"""What `nmt evaluate` prints: scores of one model or of several seeds, as a table or an object."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nmt.analysis.spread import deviation, in_words, mean
from nmt.commands.evaluations import Evaluation
from nmt.commands.tables import SCORES, columns, length_table, length_unit, signature_lines
from nmt.runs.seeds import Choice

if TYPE_CHECKING:
    from nmt.analysis.scores import Scores


class Evaluated(NamedTuple):
    """A test set's scores, and the pictures that were drawn of it."""

    evaluation: Evaluation
    plot: Path | None
    alignments: list[Path]


def to_json(evaluated: Sequence[Evaluated]) -> dict:
    """One object, or of several splits {"splits": {NAME: object}}.

    Where a split has the models of several seeds, its object has what is the same for all of them,
    the mean of each score under its name, "standard_deviation" of each, and under "seeds" the
    object of each seed.
    """
    objects = {}
    for name, of_split in _by_split(evaluated).items():
        models = {str(one.evaluation.checkpoint.seed): _model_to_json(one) for one in of_split}
        objects[name] = _mean_to_json(models) if len(models) > 1 else next(iter(models.values()))
    return next(iter(objects.values())) if len(objects) == 1 else {"splits": objects}


def _model_to_json(evaluated: Evaluated) -> dict:
    of_model = evaluated.evaluation.to_dict()
    if evaluated.plot is not None:
        of_model["plot"] = str(evaluated.plot)
    if evaluated.alignments:
        of_model["alignments"] = list(map(str, evaluated.alignments))
    return of_model


def _mean_to_json(models: dict[str, dict]) -> dict:
    first, *others = models.values()
    same = {
        key: value for key, value in first.items() if all(other[key] == value for other in others)
    }
    without = [one["without_unknown"] for one in models.values() if "without_unknown" in one]
    return {
        **_means_and_deviations(list(models.values())),
        **{key: value for key, value in same.items() if key not in SCORES},
        **({"without_unknown": _means_and_deviations(without)} if without else {}),
        "seeds": models,
    }


def _means_and_deviations(of_models: Sequence[dict]) -> dict:
    scores = {key: [of_model[key] for of_model in of_models] for key in SCORES}
    return {
        **{key: mean(values) for key, values in scores.items()},
        "standard_deviation": {key: deviation(values) for key, values in scores.items()},
    }


def table(evaluated: Sequence[Evaluated]) -> list[str]:
    """The scores in columns, and below them by length, the signatures and the pictures."""
    has_seeds = evaluated[0].evaluation.checkpoint.seed is not None
    rows = [["split", *(["seed"] if has_seeds else []), "sentences", *SCORES.values()]]
    signatures, buckets, pictures, unknown = {}, [], [], {}
    for name, of_split in _by_split(evaluated).items():
        for evaluation, plot, alignments in of_split:
            seed, scores = evaluation.checkpoint.seed, evaluation.scores.to_dict()
            rows.append(_row(name, seed, scores))
            if evaluation.without_unknown is not None:
                without = evaluation.without_unknown.to_dict()
                rows.append(_row(f"{name}, none unknown", seed, without))
            if evaluation.unknown is not None:
                unknown[name] = _unknown_line(evaluation)
            of_scores = signature_lines({key: scores[f"{key}_signature"] for key in SCORES})
            signatures |= dict.fromkeys(of_scores)
            shown = f"{name}, seed {seed}" if has_seeds and len(of_split) > 1 else name
            buckets += [(shown, bucket) for bucket in evaluation.by_length or []]
            pictures += [f"plot: {plot}"] if plot is not None else []
            pictures += [f"alignment: {path}" for path in alignments]
        if has_seeds and len(of_split) > 1:
            rows += _mean_rows(name, of_split)
    unit = length_unit(evaluated[0].evaluation.config.data)
    by_length = ["", *length_table("split", buckets, unit), ""] if buckets else []
    is_mean = any(row[1] == "mean" for row in rows)
    spread = ["mean ± standard deviation"] if is_mean else []
    texts = 2 if has_seeds else 1
    return [
        *columns(rows, texts=texts),
        *spread,
        *by_length,
        *unknown.values(),
        *signatures,
        *pictures,
    ]


def _row(name: str, seed: Choice, scores: dict) -> list[str]:
    first = [name, *([] if seed is None else [str(seed)]), str(scores["sentences"])]
    return [*first, *(f"{scores[key]:.2f}" for key in SCORES)]


def _unknown_line(evaluation: Evaluation) -> str:
    unknown = evaluation.unknown
    unit = "words" if evaluation.config.vocabulary.kind == "word" else "pieces"
    pairs = (
        "1 pair has"
        if unknown.sentences_without == 1
        else f"{unknown.sentences_without} pairs have"
    )
    return (
        f"unknown {unit} of {evaluation.split.name}: {100 * unknown.source:.2f} % of the sources', "
        f"{100 * unknown.target:.2f} % of the references'; {pairs} none"
    )


def _mean_rows(name: str, of_split: Sequence[Evaluated]) -> list[list[str]]:
    """The means of all models of a test set, and those of its sentences without unknown words."""
    evaluations = [one.evaluation for one in of_split]
    rows = [_mean_row(name, [evaluation.scores for evaluation in evaluations])]
    without = [one.without_unknown for one in evaluations if one.without_unknown is not None]
    return [*rows, _mean_row(f"{name}, none unknown", without)] if without else rows


def _mean_row(name: str, of_models: Sequence["Scores"]) -> list[str]:
    scores = [of_model.to_dict() for of_model in of_models]
    means = [in_words([of_model[key] for of_model in scores]) for key in SCORES]
    return [name, "mean", str(of_models[0].sentences), *means]


def _by_split(evaluated: Sequence[Evaluated]) -> dict[str, list[Evaluated]]:
    """The evaluations of each test set, in their order."""
    by_split: dict[str, list[Evaluated]] = {}
    for one in evaluated:
        by_split.setdefault(one.evaluation.split.name, []).append(one)
    return by_split
