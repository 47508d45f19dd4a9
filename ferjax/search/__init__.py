"""Hyper-parameter search (Optuna): trials of one model on one data set, best val accuracy wins."""
