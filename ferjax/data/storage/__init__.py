"""Keeps decoded images and frozen features in memory or in memory-mapped files on disk.

`image_store` writes and maps the decoded images of a split; `feature_store` does so for features of
a frozen network, and continues after a kill; `block_journal` records which rows of a feature file
are complete; `locks_and_writes` has the folder lock, disk space reservation and durable writes that
both share; `bundle_from_stores` makes a data set read from image stores; `memory_cache` keeps
decoded images in RAM.
"""
