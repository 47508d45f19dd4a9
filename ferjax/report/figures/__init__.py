"""The figures of a report: curves, confusion matrix, image grids, contact sheets."""
