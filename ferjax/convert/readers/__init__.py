"""Readers of foreign weight files: PyTorch, safetensors and Keras HDF5."""
