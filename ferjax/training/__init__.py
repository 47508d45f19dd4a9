"""State, losses, metrics, optimizers, steps, checkpoints and the training loop."""
