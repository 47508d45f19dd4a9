"""Evaluates checkpoints: scores, figures and protocol, in reports of runs and of single splits."""
