"""Caches the decoded images of a split in memory, so that every file is decoded once."""

from dataclasses import replace

import numpy as np

from ferjax.data.splits.split import Split


def cached(split: Split, limit_bytes: int = 4 << 30) -> Split:
    """Returns `split` with a cache: each image is read once and then comes from memory.

    One uint8 array [N, H, W, C] is filled as images are requested. A split whose array would be
    larger than `limit_bytes` is returned unchanged.
    """
    shape = (len(split), *split.shape)
    if np.prod(shape, dtype=np.int64) > limit_bytes:
        return split
    images = np.empty(shape, np.uint8)  # the system allocates pages when they are written
    present = np.zeros(len(split), bool)

    def read(indices: np.ndarray) -> np.ndarray:
        indices = np.asarray(indices)
        is_cached = present[indices]
        if not is_cached.all():
            missing = np.unique(indices[~is_cached])
            # Two threads may decode the same image. Both write the same bytes, and `present` is
            # set after that, so no lock is needed.
            images[missing] = split.read(missing)
            present[missing] = True
        return images[indices]

    return replace(split, read=read)
