"""Parts for a training loop of your own: state, batches, step, metrics, checkpoints, report."""
