"""What is said of the steps since the last log: the only wait of training for the device."""

import logging
import math

import jax

from nmt.config.schema import TrainingConfig
from nmt.data.batching import Batches
from nmt.training.clock import Clock, duration
from nmt.training.reporting import Reporter, Silence
from nmt.training.step import Counters, Metrics, Trainer, TrainState
from nmt.training.validation import Validation

logger = logging.getLogger(__name__)


class Log:
    """Tells how the steps since the last log went: the only wait of training for the device."""

    def __init__(
        self,
        training: TrainingConfig,
        trainer: Trainer,
        batches: Batches,
        reporter: Reporter | Silence,
        clock: Clock,
        state: TrainState,
    ):
        self.training, self.trainer, self.batches = training, trainer, batches
        self.reporter, self.clock = reporter, clock
        # Pieces and steps that the state brought along count in the sums, but took no time now.
        self._pieces_before = int(state.sums.num_pieces)
        self._last_step = int(state.counters.step)
        clock.lap()

    def write(self, step: int, state: TrainState, metrics: Metrics) -> tuple[Counters, float]:
        """Logs a step; the sums of `state` are of the steps since the last one logged.

        Returns:
          The state's counters, as numbers on the host, and the nll of a target piece.
        """
        sums, counters, scale, norm = jax.device_get(
            (state.sums, state.counters, state.lr_scale, metrics.gradient_norm)
        )
        seconds = self.clock.lap()
        num_pieces = int(sums.num_pieces)
        nll, loss = _mean(sums.nll, num_pieces), _mean(sums.loss, num_pieces)
        perplexity = math.exp(min(nll, 700.0))
        epoch = self.batches.epoch_of(step * self.training.accumulation - 1) + 1  # as people count
        rate = (num_pieces - self._pieces_before) / seconds
        left = (self.training.num_steps - step) / (step - self._last_step) * seconds
        self._pieces_before, self._last_step = 0, step
        guided = {} if sums.alignment is None else {"alignment_loss": _mean(*sums.alignment)}
        self.reporter.record(
            step,
            epoch=epoch,
            loss=loss,
            perplexity=perplexity,
            **guided,
            learning_rate=float(self.trainer.schedule(step - 1) * scale),
            gradient_norm=float(norm),
            skipped=int(counters.skipped),
            tokens_per_second=rate,
            seconds=self.clock.seconds,
        )
        logger.info(
            "step %d, epoch %d: loss %.3f, perplexity %.2f, %.0f tokens/s, %s left",
            step,
            epoch,
            loss,
            perplexity,
            rate,
            duration(left),
        )
        return counters, nll

    def write_validation(self, step: int, validation: Validation, *, better: bool) -> None:
        """Logs a validation; `better` than all before or not."""
        self.reporter.record(
            step,
            validation_loss=validation.loss,
            validation_perplexity=validation.perplexity,
            validation_bleu=validation.bleu,
            **({} if validation.aer is None else {"validation_aer": validation.aer}),
            seconds=self.clock.seconds,
        )
        logger.info(
            "step %d: validation loss %.3f, perplexity %.2f, BLEU %.2f%s%s, after %s",
            step,
            validation.loss,
            validation.perplexity,
            validation.bleu,
            "" if validation.aer is None else f", AER {validation.aer:.1%}",
            " (the best so far)" if better else "",
            duration(self.clock.seconds),
        )


def _mean(total: float, count: int) -> float:
    return float(total / count) if count else math.nan
