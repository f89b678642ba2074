"""The training state, and the two pure functions of a step: its gradients and its update."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from nmt.config.schema import TrainingConfig
from nmt.data.batching import Batch
from nmt.devices.mesh import set_like
from nmt.models.build import Params, merge_model
from nmt.training.guided_alignment import AlignmentSums, alignment_loss
from nmt.training.loss import LossSums, cross_entropy
from nmt.training.optimizer import make_optimizer, make_schedule

Array = jax.Array


class Counters(NamedTuple):
    """Counted in the compiled step and read when the host logs; int32 scalars.

    Attributes:
      step: steps taken, skipped ones included.
      skipped: updates left out because they were not finite.
      skipped_in_a_row: of these, those since the last finite one.
      last_skipped: the step of the last of them, -1 if none.
    """

    step: Array
    skipped: Array
    skipped_in_a_row: Array
    last_skipped: Array


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "average", "opt_state", "counters", "sums", "lr_scale", "running"],
    meta_fields=[],
)
@dataclass(frozen=True)
class TrainState:
    """All that a step changes.

    Attributes:
      params: of the model.
      average: the moving average of the params; None without.
      opt_state: of Optax.
      counters: see `Counters`.
      sums: of the loss since the host last logged and set them to zero, skipped updates left out.
      lr_scale: float32 scalar, lowered by the plateau rule.
      running: bool scalar; where it is False a step changes nothing of this state.
    """

    params: Params
    average: Params | None
    opt_state: optax.OptState
    counters: Counters
    sums: LossSums
    lr_scale: Array
    running: Array


class Metrics(NamedTuple):
    """What a step measured: the loss's sums, the gradient's norm before clipping, and its rate."""

    sums: LossSums
    gradient_norm: Array
    learning_rate: Array


class Trainer(NamedTuple):
    """The constants of training that the pure functions below close over.

    Attributes:
      graph: the model's structure.
      optimizer: makes updates that lack only the learning rate.
      schedule: step -> learning rate.
      label_smoothing: e of the loss.
      average_decay: of the moving average of the weights; None for no average.
      alignment_weight: of the loss of guided alignment, for which batches have links; 0 for none.
      clip_norm: the greatest norm of a gradient: Pascanu et al. (2013), algorithm 1; None for any.
    """

    graph: nnx.GraphDef
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule
    label_smoothing: float
    average_decay: float | None
    alignment_weight: float = 0.0
    clip_norm: float | None = None

    @classmethod
    def from_config(cls, graph: nnx.GraphDef, config: TrainingConfig) -> "Trainer":
        """The constants that a config names, for a model of this structure."""
        return cls(
            graph,
            make_optimizer(config),
            make_schedule(config),
            config.label_smoothing,
            config.average_decay,
            config.alignment_weight,
            config.clip_norm,
        )

    def initial_state(self, params: Params) -> TrainState:
        """The state before the first step."""
        return TrainState(
            params=params,
            average=None if self.average_decay is None else jax.tree.map(jnp.copy, params),
            opt_state=self.optimizer.init(params),
            # Arrays of their own, since the step is given every buffer once, to keep.
            counters=Counters(*(jnp.array(count, jnp.int32) for count in (0, 0, 0, -1))),
            sums=self.zero_sums(),
            lr_scale=jnp.ones(()),
            running=jnp.ones((), bool),
        )

    def zero_sums(self) -> LossSums:
        """Sums over nothing."""

        def zero(dtype):
            return jnp.zeros((), dtype)

        guided = AlignmentSums(zero(jnp.float32), zero(jnp.int32))
        alignment = guided if self.alignment_weight else None
        return LossSums(zero(jnp.float32), zero(jnp.float32), zero(jnp.int32), alignment)

    def gradients(self, params: Params, batch: Batch, keys: Array) -> tuple[Params, LossSums]:
        """The gradient of the summed loss of a batch, and the sums.

        What is minimised is, for each target piece, the loss and `alignment_weight` times the
        guided loss: one sum of both, so that batches may be accumulated.

        Args:
          params: of the model.
          batch: or the rows of one that a device has.
          keys: (B,), of dropout, one for each sentence.
        """

        def loss_fn(params):
            model = merge_model(self.graph, params)
            decoded = model(batch.source, batch.source_mask, batch.target_in, dropout_keys=keys)
            sums = cross_entropy(
                decoded.features,
                model.projection(),
                batch.target_out,
                batch.target_mask,
                self.label_smoothing,
            )
            if not self.alignment_weight:
                return sums.loss, sums
            guided = alignment_loss(decoded.alignment, batch.links)
            loss = sums.loss + self.alignment_weight * guided.loss
            return loss, sums._replace(alignment=guided)

        # The barrier is for programs that return this. Where a layout was laid on an output (see
        # `nmt.models.linear`), jax lets XLA choose its layout in memory; then XLA chooses that of
        # other outputs too, and jax reads them as if they had the usual one.
        return jax.lax.optimization_barrier(jax.grad(loss_fn, has_aux=True)(params))

    def update(
        self, state: TrainState, gradients: Params, sums: LossSums
    ) -> tuple[TrainState, Metrics]:
        """Takes one step along summed gradients; skips and counts one that is not finite."""
        norm = optax.tree.norm(gradients) / sums.num_pieces
        finite = jnp.isfinite(norm) & jnp.isfinite(sums.loss)
        rate = self.schedule(state.counters.step) * state.lr_scale
        share = 1 / sums.num_pieces
        if self.clip_norm is not None:
            share *= jnp.minimum(1.0, self.clip_norm / norm)

        def moved(state: TrainState, gradients: Params) -> TrainState:
            # By one factor in all: with a quotient of each number XLA would keep the result.
            gradients = jax.tree.map(lambda leaf: share * leaf, gradients)
            updates, opt_state = self.optimizer.update(gradients, state.opt_state, state.params)
            params = jax.tree.map(lambda p, update: p - rate * update, state.params, updates)
            return replace(
                state,
                params=params,
                opt_state=opt_state,
                average=self._averaged(state, params),
                sums=jax.tree.map(jnp.add, state.sums, sums),
            )

        counters = _counted(state.counters, finite, state.running)
        state = _changed_if(finite & state.running, moved, state, gradients)
        return replace(state, counters=counters), Metrics(sums, norm, rate)

    def _averaged(self, state: TrainState, params: Params) -> Params | None:
        """a' = d a + (1 - d) p, with d at most (1 + step) / (10 + step) at the start."""
        if self.average_decay is None:
            return None
        step = state.counters.step.astype(jnp.float32)
        decay = jnp.minimum(self.average_decay, (1 + step) / (10 + step))
        return jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, state.average, params)


def with_zero_sums(state: TrainState) -> TrainState:
    """The state after the host has logged."""
    return replace(state, sums=jax.tree.map(lambda leaf: set_like(leaf, 0), state.sums))


def with_lr_scale(state: TrainState, scale: float | Sequence[float]) -> TrainState:
    """The state with another scale of the learning rate."""
    return replace(state, lr_scale=set_like(state.lr_scale, scale))


def with_running(state: TrainState, running: bool | Sequence[bool]) -> TrainState:
    """The state that goes on, or from now on stays as it is."""
    return replace(state, running=set_like(state.running, running))


def _changed_if(
    condition: Array, change: Callable[..., TrainState], state: TrainState, *others: Any
) -> TrainState:
    """change(state, *others) where a condition holds, else the state as it is.

    A CPU branches. To choose number by number it keeps the old state while it makes the new one,
    and copies what is given to be used up: an update of A took 101 ms so, and 62 by branching. An
    accelerator does choose: to branch, its host would have to wait for the condition. And so it is
    for models that are trained at once, for each of which the condition is its own.
    """
    change = jax.jit(change)  # traced once for both

    def branch(state: TrainState, *others: Any) -> TrainState:
        return jax.lax.cond(condition, change, lambda state, *_: state, state, *others)

    def choose(state: TrainState, *others: Any) -> TrainState:
        return jax.tree.map(partial(jnp.where, condition), change(state, *others), state)

    return jax.lax.platform_dependent(state, *others, cpu=branch, default=choose)


def _counted(counters: Counters, finite: Array, running: Array) -> Counters:
    skipped = (~finite).astype(jnp.int32)
    counted = Counters(
        step=counters.step + 1,
        skipped=counters.skipped + skipped,
        skipped_in_a_row=jnp.where(finite, 0, counters.skipped_in_a_row + 1),
        last_skipped=jnp.where(finite, counters.last_skipped, counters.step),
    )
    return jax.tree.map(partial(jnp.where, running), counted, counters)
