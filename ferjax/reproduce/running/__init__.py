"""From a paper's table of experiments to finished runs and their stored results."""
