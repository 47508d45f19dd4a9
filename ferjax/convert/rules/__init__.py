"""Conversion engine: name templates, axis layouts (transposes), strict matching of all arrays."""
