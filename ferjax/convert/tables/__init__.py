"""Conversion tables: foreign variable names beside ours, one file an architecture."""
