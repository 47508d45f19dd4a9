"""Benchmarks of speed and memory: ferjax against plain XLA and PyTorch, measured in one run."""
