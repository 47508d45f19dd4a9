"""The life of a run: task, initial weights, phases, cached features, checkpoints, seeds, folds."""
