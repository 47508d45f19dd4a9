"""Optimizers, learning-rate schedules, plateau, and groups of parameters."""
