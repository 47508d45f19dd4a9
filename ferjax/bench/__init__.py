"""Benchmarks: every operation and training step beside plain XLA and PyTorch, in the same run."""
