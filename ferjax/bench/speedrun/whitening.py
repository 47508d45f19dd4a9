"""The frozen first layer: filters that decorrelate the pixels of small patches.

References:
  Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, 2024, section 3.2.
"""

import numpy as np

# The covariance of a patch has at most 36 rows, so that so many faces are enough.
_FACES = 1000


def whitening_filters(images: np.ndarray, side: int, epsilon: float = 5e-4) -> np.ndarray:
    """Returns filters whose outputs are uncorrelated over all patches, with variance 1.

    The filters are the eigenvectors of the covariance of the patches, each divided by the root of
    its eigenvalue. Every filter is there with both signs, because a ReLU follows.

    Args:
      images: float [N, H, W], normalised faces; of more than 1,000, each k-th is used.
      side: side of the patches.
      epsilon: added to the eigenvalues, so that faint components are not amplified.

    Returns:
      float32 [side, side, 1, 2 * side²]; the second half is the negative of the first half, which
      is in descending order of variance.
    """
    chosen = images[:: max(len(images) // _FACES, 1)][:_FACES]
    height, width = (length - side + 1 for length in chosen.shape[1:])
    pixels = [
        chosen[:, i : i + height, j : j + width].ravel() for i in range(side) for j in range(side)
    ]
    variances, vectors = np.linalg.eigh(np.atleast_2d(np.cov(np.stack(pixels))))
    scaled = vectors / np.sqrt(np.maximum(variances, 0) + epsilon)[None]
    filters = scaled[:, ::-1].reshape(side, side, 1, side**2)
    return np.concatenate([filters, -filters], axis=-1).astype(np.float32)
