"""Statistics of the training faces: mean, deviation, filters that decorrelate small patches.

References:
  Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, 2024, section 3.2.
"""

from typing import NamedTuple

import numpy as np

# The covariance of a patch has at most 36 rows, so that so many faces are enough.
_FACES = 1000


class FaceStatistics(NamedTuple):
    """What a run computes from its training faces before it trains.

    Attributes:
      mean: mean of all pixels, where 255 is 1.
      std: standard deviation of all pixels, on the same scale.
      filters: float32 [side, side, 1, F], the frozen first layer, or None.
    """

    mean: float
    std: float
    filters: np.ndarray | None


def face_statistics(images: np.ndarray, whitening: int) -> FaceStatistics:
    """Returns the statistics of training faces.

    Args:
      images: uint8 [N, H, W, 1].
      whitening: side of the patches of the frozen first layer; 0: there is none.
    """
    counts = np.bincount(images.ravel(), minlength=256) / images.size
    levels = np.arange(256) / 255
    mean = float(counts @ levels)
    std = float(np.sqrt(counts @ (levels - mean) ** 2))
    if not whitening:
        return FaceStatistics(mean, std, None)
    chosen = images[:: max(len(images) // _FACES, 1), ..., 0][:_FACES]
    return FaceStatistics(mean, std, whitening_filters((chosen / 255 - mean) / std, whitening))


def whitening_filters(images: np.ndarray, side: int, epsilon: float = 5e-4) -> np.ndarray:
    """Returns filters whose outputs are uncorrelated over all patches, with variance 1.

    The filters are the eigenvectors of the covariance of the patches, each divided by the root of
    its eigenvalue. Every filter is there with both signs, because a ReLU follows.

    Args:
      images: float [N, H, W], normalised faces.
      side: side of the patches.
      epsilon: added to the eigenvalues, so that faint components are not amplified.

    Returns:
      float32 [side, side, 1, 2 * side²]; the second half is the negative of the first half, which
      is in descending order of variance.
    """
    height, width = (length - side + 1 for length in images.shape[1:])
    pixels = [
        images[:, i : i + height, j : j + width].ravel() for i in range(side) for j in range(side)
    ]
    variances, vectors = np.linalg.eigh(np.atleast_2d(np.cov(np.stack(pixels))))
    scaled = vectors / np.sqrt(np.maximum(variances, 0) + epsilon)[None]
    filters = scaled[:, ::-1].reshape(side, side, 1, side**2)
    return np.concatenate([filters, -filters], axis=-1).astype(np.float32)
