"""Fast convolution, pooling and batch norm: custom implementations where XLA's are slow."""
