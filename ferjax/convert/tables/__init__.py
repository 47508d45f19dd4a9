"""Conversion tables: variable names of other libraries → ferjax's, one file per architecture."""
