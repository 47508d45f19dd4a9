"""The audit of a data set: counts, duplicates, near duplicates, mirrored copies, split overlap."""
