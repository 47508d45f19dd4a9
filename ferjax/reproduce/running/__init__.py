"""Runs the experiments of a paper's table, and stores the results of finished runs."""
