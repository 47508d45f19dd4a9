"""Decoded images kept in memory, so that every file is decoded once."""

from dataclasses import replace

import numpy as np

from ferjax.data.splits.split import Split


def cached(split: Split, limit_bytes: int = 4 << 30) -> Split:
    """Returns `split` reading each image once and from memory after that.

    The images fill one uint8 array [N, H, W, C] as they are first asked for. A split whose array
    would exceed `limit_bytes` is returned as it is.
    """
    shape = (len(split), *split.shape)
    if np.prod(shape, dtype=np.int64) > limit_bytes:
        return split
    images = np.empty(shape, np.uint8)  # the system hands out the pages as they are written
    present = np.zeros(len(split), bool)

    def read(indices: np.ndarray) -> np.ndarray:
        indices = np.asarray(indices)
        known = present[indices]
        if not known.all():
            missing = np.unique(indices[~known])
            # Two threads may decode the same image: both write the same bytes, and `present` is
            # set only after them, so no lock is needed.
            images[missing] = split.read(missing)
            present[missing] = True
        return images[indices]

    return replace(split, read=read)
