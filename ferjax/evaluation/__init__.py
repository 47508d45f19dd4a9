"""Checkpoints to scores, figures and protocol: the reports of runs and of single splits."""
