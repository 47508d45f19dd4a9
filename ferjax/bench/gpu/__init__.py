"""Predicted times of training steps on a GPU, and these predictions beside measured times."""
