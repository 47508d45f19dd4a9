"""Readers, splits and the input pipeline: uint8 batches from files on disk."""
