"""Figures as PNG files: training curves, confusion matrix, image grids, contact sheets."""
