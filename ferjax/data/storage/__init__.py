"""Decoded images and frozen features kept in memory or in memory-mapped files on disk."""
