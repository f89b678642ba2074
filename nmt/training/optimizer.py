"""Optax chains and learning-rate schedules from the config."""

import optax

from nmt.config.schema import TrainingConfig


def make_optimizer(config: TrainingConfig) -> optax.GradientTransformation:
    """Turns gradients into updates before they are scaled by the learning rate.

    The training step clips the gradients beforehand. It applies the learning rate, too, which it
    multiplies by the scale that the plateau rule has reached.

    Args:
      config: names the optimiser and its constants.
    Returns:
      Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019) or Adadelta (Zeiler 2012).
    """
    adam = optax.scale_by_adam(b1=config.beta1, b2=config.beta2, eps=config.epsilon)
    rules = {
        "adam": [adam],
        "adamw": [adam, optax.add_decayed_weights(config.weight_decay)],
        "adadelta": [optax.scale_by_adadelta(rho=config.rho, eps=config.epsilon)],
    }[config.optimizer]
    clipped = [] if config.clip_norm is None else [optax.identity()]  # has a place in checkpoints
    return optax.chain(*clipped, *rules)


def make_schedule(config: TrainingConfig) -> optax.Schedule:
    """The learning rate of a step, counted from 0.

    All schedules rise linearly over `warmup_steps`, from 1/warmup_steps of the peak at step 0 to
    the peak at step warmup_steps - 1. Then: "constant" and "plateau" stay (the plateau rule acts
    through the state's scale); "inverse_sqrt" falls as sqrt(warmup_steps / (step + 1)), Vaswani et
    al. (2017), equation 3, who count steps from 1; "cosine" falls to `final_learning_rate` at
    `num_steps`.
    """
    peak, warmup = config.learning_rate, config.warmup_steps
    after = {
        "constant": optax.constant_schedule(peak),
        "plateau": optax.constant_schedule(peak),
        "inverse_sqrt": lambda step: peak * (warmup / (step + warmup + 1)) ** 0.5,
        "cosine": optax.cosine_decay_schedule(
            peak,
            max(config.num_steps - warmup, 1),
            alpha=config.final_learning_rate / peak if peak else 0.0,
        ),
    }[config.schedule]
    if not warmup:
        return after
    rise = optax.linear_schedule(peak / warmup, peak, max(warmup - 1, 1))
    return optax.join_schedules([rise, after], [warmup])
