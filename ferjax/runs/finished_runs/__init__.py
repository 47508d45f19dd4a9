"""Runs that exist: their networks, their settings, and the series of seeds and folds."""
