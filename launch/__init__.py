"""Command-line entry points of ferjax."""
