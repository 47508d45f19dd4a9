"""Grain batches of a split, and the order of the images in an epoch."""
