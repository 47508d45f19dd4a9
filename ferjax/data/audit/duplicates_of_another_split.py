"""Finds images of one split that are near or mirrored duplicates of images of another split."""

import numpy as np

from ferjax.data.audit.near_duplicate_pairs import find_mirrored_pairs, find_near_pairs
from ferjax.data.audit.pixel_statistics import PixelStatistics, compute_pixel_statistics
from ferjax.data.splits.split import Split


def duplicates_across(a: Split, b: Split) -> tuple[np.ndarray, np.ndarray]:
    """Returns the positions of images with a near or mirrored duplicate in the other split.

    Identical images count. Images are compared with images of the other split only: chains of
    similar images within a split are not followed. Images that cannot be read are left out.

    Args:
      a: a split.
      b: another split.

    Returns:
      Ascending int64 positions in `a`, and in `b`.
    """
    statistics_a, statistics_b = compute_pixel_statistics(a), compute_pixel_statistics(b)
    hashes, mirrored, thumbnails = (
        np.concatenate([getattr(part, name) for part in (statistics_a, statistics_b)])
        for name in ("hashes", "mirrored", "thumbnails")
    )
    thumbnails = thumbnails.astype(np.float32)
    pairs = np.concatenate(
        [
            find_near_pairs(hashes, thumbnails),
            find_mirrored_pairs(hashes, mirrored, thumbnails),
            _identical_pairs(statistics_a, statistics_b),
        ]
    )
    count = len(statistics_a.positions)
    # Positions ascend within a pair, so the image of `a` comes first.
    cross_pairs = pairs[(pairs[:, 0] < count) & (pairs[:, 1] >= count)]
    return (
        statistics_a.positions[np.unique(cross_pairs[:, 0])],
        statistics_b.positions[np.unique(cross_pairs[:, 1]) - count],
    )


def _identical_pairs(first: PixelStatistics, second: PixelStatistics) -> np.ndarray:
    """Returns int64 [P, 2]: pairs of an image of `first` and an identical image of `second`.

    Each image of `second` is paired with the first identical image of `first`. Images without
    contrast are found only here, because `find_near_pairs` leaves them out.
    """
    position_of = {digest: k for k, digest in reversed([*enumerate(first.digests)])}
    pairs = [
        (position_of[digest], len(first.digests) + k)
        for k, digest in enumerate(second.digests)
        if digest in position_of
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)
