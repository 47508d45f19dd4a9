"""PyTorch peers of the benchmarks: networks and data loaders."""
