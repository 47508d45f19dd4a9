"""Image files decoded to uint8 arrays: one decoder and resize, run in several processes."""
