"""Compares runs on the same images: predictions, tests of the differences, and a report."""
