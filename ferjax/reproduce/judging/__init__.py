"""Computes values with intervals from stored predictions and curves, and verdicts from these."""
