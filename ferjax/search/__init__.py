"""Hyper-parameter search: many runs of one model on one data set, the best by val accuracy."""
