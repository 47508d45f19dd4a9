"""Pretrained weights of other libraries (PyTorch, timm, Keras): download, conversion, export."""
