"""Converted weights on disk: the folder format, and the cache that keeps them."""
