"""One module for each paper: its experiments, its claims and its figures, as literal tables."""
