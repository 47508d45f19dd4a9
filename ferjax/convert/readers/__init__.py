"""Readers of weights files of other libraries: PyTorch, safetensors and Keras HDF5."""
