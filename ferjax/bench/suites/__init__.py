"""The cases of each suite, as literal tables."""
