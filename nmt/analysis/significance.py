"""Whether one system is better than another, or was lucky with the test set: paired bootstrap.

Test sets of the same size are drawn from the test set with replacement, every system is scored on
each of them, and the differences to the first system, the baseline, are counted: Koehn (2004),
"Statistical Significance Tests for Machine Translation Evaluation". sacreBLEU does it; the seed is
fixed here, so that a comparison made again gives the same numbers.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from nmt.analysis.scores import Measure, check_pairs, measures
from nmt.errors import DataError

NUM_SAMPLES = 1000
SEED = 12345  # sacreBLEU's own, where its environment variable says nothing
_SEED_VARIABLE = "SACREBLEU_SEED"
# sacreBLEU holds the counts of all drawn sentences at once, up to 72 bytes each (chrF).
MAX_DRAWN = 50_000_000


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """One score of one system, and what resampling says of it.

    Attributes:
      score: on the whole test set, as in `Scores`.
      mean: over the samples.
      interval: half the width of the 95 % confidence interval around the mean.
      p_value: two-sided, of the difference to the baseline; 1 where there is none. None for the
        baseline itself.
    """

    score: float
    mean: float
    interval: float
    p_value: float | None

    def to_dict(self) -> dict[str, float | None]:
        """The fields by name, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class PairedBootstrap:
    """What resampling says of several systems.

    Attributes:
      systems: by the name of the score ("bleu", "chrf", "ter", "bleu_tokenized_lowercase"), for
        each system, in their order; the first is the baseline.
      signatures: of the scores, with the number of samples (bs) and the seed.
    """

    systems: list[dict[str, Resampled]]
    signatures: dict[str, str]


def paired_bootstrap(
    systems: Sequence[Sequence[str]],
    references: Sequence[str],
    *,
    target_language: str,
    tokenized: bool,
    num_samples: int = NUM_SAMPLES,
) -> PairedBootstrap:
    """Compares systems with the first of them.

    Args:
      systems: the hypotheses of each, for the same sources.
      references: what they should have been, in the same order.
      target_language, tokenized: as in `nmt.analysis.scores.score`.
      num_samples: test sets to draw.
    Raises:
      DataError: no system or no sentences, not as many hypotheses as references, or more drawn
        sentences than fit into memory.
    """
    if not systems:
        raise DataError("nothing to compare: there are no systems")
    for hypotheses in systems:
        check_pairs(hypotheses, references)
    check_num_samples(num_samples, len(references))
    results = PairedBootstrap([{} for _ in systems], {})
    for measure in measures(target_language, tokenized=tokenized):
        of_systems, signature = resampled(measure, systems, references, num_samples)
        for of_system, result in zip(results.systems, of_systems, strict=True):
            of_system[measure.name] = result
        results.signatures[measure.name] = signature
    return results


def check_num_samples(num_samples: int, num_sentences: int) -> None:
    """Refuses what does not fit into memory; to be asked before long work.

    Raises:
      DataError: more drawn sentences than `MAX_DRAWN`.
    """
    if num_samples * num_sentences > MAX_DRAWN:
        raise DataError(
            f"{num_samples} samples of {num_sentences} sentences are too much to draw at once; "
            f"wanted at most {MAX_DRAWN // num_sentences} samples"
        )


def resampled(
    measure: Measure,
    systems: Sequence[Sequence[str]],
    references: Sequence[str],
    num_samples: int = NUM_SAMPLES,
) -> tuple[list[Resampled], str]:
    """One score of all systems, and its signature. All scores draw the same test sets.

    Args:
      measure: the score.
      systems, references, num_samples: as in `paired_bootstrap`, and checked by it.
    """
    from sacrebleu.significance import PairedTest

    named = [(str(i), measure.prepared(hypotheses)) for i, hypotheses in enumerate(systems)]
    with _fixed_seed():
        test = PairedTest(
            named,
            {measure.name: measure.metric},
            [measure.prepared(references)],
            test_type="bs",
            n_samples=num_samples,
        )
        signatures, columns = test()
    ((name, signature),) = signatures.items()  # it has a name of its own for every metric
    baseline = columns[name][0]
    found = []
    for i, result in enumerate(columns[name]):
        p_value = None if i == 0 else result.p_value
        if i > 0 and result.score == baseline.score:
            p_value = 1.0  # it counts only larger differences, and finds none: "significant"
        found.append(
            Resampled(
                score=float(result.score),
                mean=float(result.mean),
                interval=float(result.ci),
                p_value=p_value,
            )
        )
    return found, f"{signature}{measure.note}"


@contextlib.contextmanager
def _fixed_seed() -> Iterator[None]:
    """sacreBLEU takes the seed from the environment, in two places, and from nowhere else."""
    before = os.environ.get(_SEED_VARIABLE)
    os.environ[_SEED_VARIABLE] = str(SEED)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SEED_VARIABLE]
        else:
            os.environ[_SEED_VARIABLE] = before
