"""Images of one split that are near or mirrored duplicates of images of another."""

import numpy as np

from ferjax.data.audit.near_duplicate_pairs import find_mirrored_pairs, find_near_pairs
from ferjax.data.audit.pixel_statistics import PixelStatistics, compute_pixel_statistics
from ferjax.data.splits.split import Split


def duplicates_across(a: Split, b: Split) -> tuple[np.ndarray, np.ndarray]:
    """Returns the positions in each split of images that the other shows too, or mirrored.

    Identical images count. An image is compared with those of the other split alone: chains of
    similar images within a split are not followed. Images that cannot be read are left out.

    Args:
      a: a split.
      b: another one.

    Returns:
      Ascending int64 positions in `a`, and in `b`.
    """
    first, second = compute_pixel_statistics(a), compute_pixel_statistics(b)
    hashes, mirrored, thumbnails = (
        np.concatenate([getattr(part, name) for part in (first, second)])
        for name in ("hashes", "mirrored", "thumbnails")
    )
    thumbnails = thumbnails.astype(np.float32)
    pairs = np.concatenate(
        [
            find_near_pairs(hashes, thumbnails),
            find_mirrored_pairs(hashes, mirrored, thumbnails),
            _identical_pairs(first, second),
        ]
    )
    count = len(first.positions)
    # Positions ascend within a pair, so that the image of `a` comes first.
    across = pairs[(pairs[:, 0] < count) & (pairs[:, 1] >= count)]
    return (
        first.positions[np.unique(across[:, 0])],
        second.positions[np.unique(across[:, 1]) - count],
    )


def _identical_pairs(first: PixelStatistics, second: PixelStatistics) -> np.ndarray:
    """Returns int64 [P, 2]: each image of the second with the first equal one of the first.

    Plain images are equal without being near duplicates, whose hashes are of contrast.
    """
    where = {digest: k for k, digest in reversed([*enumerate(first.digests)])}
    shared = [(where[d], len(first.digests) + k) for k, d in enumerate(second.digests)
              if d in where]  # fmt: skip
    return np.array(shared, np.int64).reshape(-1, 2)
