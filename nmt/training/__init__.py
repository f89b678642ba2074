"""Loss, optimiser, the training step and the loop."""
