"""Runs compared on the same images: what they predicted, tests of their differences, a report."""
