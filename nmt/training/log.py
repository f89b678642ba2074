"""What is said of the steps since the last log: the only wait of training for the device."""

import logging
import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

import jax

from nmt.analysis.spread import in_words
from nmt.config.schema import TrainingConfig
from nmt.data.batching import Batches
from nmt.training.clock import Clock, duration
from nmt.training.members import Members
from nmt.training.reporting import Reporter, Silence
from nmt.training.step import Counters, Metrics, TrainState
from nmt.training.validation import Validation, perplexity

logger = logging.getLogger(__name__)
MOST_WRITTEN_OUT = 1e6  # a perplexity: of a model that diverges it has hundreds of digits


class Measured(NamedTuple):
    """A member's counters, as numbers on the host, and the nll of a target piece."""

    counters: Counters
    nll: float


class Log:
    """Tells how the steps since the last log went: the only wait of training for the device."""

    def __init__(
        self,
        training: TrainingConfig,
        members: Members,
        batches: Batches,
        reporter: Reporter | Silence,
        clock: Clock,
        state: TrainState,
    ):
        self.training, self.batches = training, batches
        self.members = members
        self.reporter, self.clock = reporter, clock
        # Pieces and steps that the state brought along count in the sums, but took no time now.
        pieces, steps = jax.device_get((state.sums.num_pieces, state.counters.step))
        self._pieces_before, self.last_step = int(pieces.sum()), int(steps.max())
        clock.lap()

    def write(self, step: int, state: TrainState, metrics: Metrics) -> dict[int, Measured]:
        """Logs a step; the sums of `state` are of the steps since `last_step`, the last one logged.

        Returns:
          what was measured of the members that train, by number.
        """
        now = jax.device_get((state.sums, state.counters, metrics, state.running))
        seconds = self.clock.lap()
        num_pieces = int(now[0].num_pieces.sum())
        rate = (num_pieces - self._pieces_before) / seconds
        left = (self.training.num_steps - step) / (step - self.last_step) * seconds
        self._pieces_before, self.last_step = 0, step
        epoch = self.batches.epoch_of(step * self.training.accumulation - 1) + 1  # as people count

        values, measured = {}, {}
        for k, of_member in enumerate(self.members.unstacked(now)):
            sums, counters, last, is_running = of_member
            if not is_running:
                continue
            nll, loss = (_mean(total, int(sums.num_pieces)) for total in (sums.nll, sums.loss))
            guided = {} if sums.alignment is None else {"alignment_loss": _mean(*sums.alignment)}
            values[k] = {
                "loss": loss,
                "perplexity": perplexity(nll),
                **guided,
                "learning_rate": float(last.learning_rate),
                "gradient_norm": float(last.gradient_norm),
                "skipped": int(counters.skipped),
            }
            measured[k] = Measured(counters, nll)
        self.reporter.record(
            step,
            epoch=epoch,
            **self.members.record(values),
            tokens_per_second=rate,
            seconds=self.clock.seconds,
        )
        logger.info(
            "step %d, epoch %d: loss %s, perplexity %s, %.0f tokens/s, %s left",
            step,
            epoch,
            _in_words(values, "loss", ".3f"),
            _perplexity_in_words(values, "perplexity"),
            rate,
            duration(left),
        )
        return measured

    def write_validation(
        self, step: int, validations: Mapping[int, Validation], *, better: Collection[int]
    ) -> None:
        """Logs validations of members, by number; those of `better` are the best of theirs."""
        values = {}
        for k, validation in validations.items():
            aer = {} if validation.aer is None else {"validation_aer": validation.aer}
            values[k] = {
                "validation_loss": validation.loss,
                "validation_perplexity": validation.perplexity,
                "validation_bleu": validation.bleu,
                **aer,
            }
        self.reporter.record(step, **self.members.record(values), seconds=self.clock.seconds)
        has_aer = any("validation_aer" in of_member for of_member in values.values())
        logger.info(
            "step %d: validation loss %s, perplexity %s, BLEU %s%s%s, after %s",
            step,
            _in_words(values, "validation_loss", ".3f"),
            _perplexity_in_words(values, "validation_perplexity"),
            _in_words(values, "validation_bleu", ".2f"),
            f", AER {_in_words(values, 'validation_aer', '.1%')}" if has_aer else "",
            self._best_in_words(better),
            duration(self.clock.seconds),
        )

    def _best_in_words(self, better: Collection[int]) -> str:
        if not better:
            return ""
        if len(self.members) == 1:
            return " (the best so far)"
        seeds = ", ".join(str(self.members.seeds[k]) for k in sorted(better))
        return f" (the best so far of seed{'s' if len(better) > 1 else ''} {seeds})"


def _in_words(values: Mapping[int, Mapping[str, float]], name: str, form: str) -> str:
    return in_words([of_member[name] for of_member in values.values()], form)


def _perplexity_in_words(values: Mapping[int, Mapping[str, float]], name: str) -> str:
    greatest = max(of_member[name] for of_member in values.values())
    return _in_words(values, name, ".2f" if greatest < MOST_WRITTEN_OUT else ".3g")


def _mean(total: float, count: int) -> float:
    return float(total / count) if count else math.nan
