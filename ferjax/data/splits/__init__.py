"""Splits of a data set: the `Split` type, validation cuts, folds, exclusions, bad images."""
