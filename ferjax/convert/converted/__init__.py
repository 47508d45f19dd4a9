"""Converted weights on disk: the file format (safetensors + JSON) and the cache folder."""
