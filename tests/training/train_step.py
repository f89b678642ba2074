"""A step of training as one function: gradients, then the update."""


def train_step(trainer, state, batch, key):
    gradients, sums = trainer.gradients(state.params, batch, key)
    return trainer.update(state, gradients, sums)
