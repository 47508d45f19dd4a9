"""Initial weights of a run: files of pretrained weights, or another run; and which of them fit."""
