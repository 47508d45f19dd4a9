"""Maps that know nothing of the network, which an explanation has to beat."""

import numpy as np
from PIL import Image


def centred_gaussian(height: int, width: int) -> np.ndarray:
    """Returns float32 [height, width]: the centre of the face is important, wherever that is.

    Its standard deviation is a quarter of the sides; only the order of pixels matters.
    """
    rows, columns = ((np.arange(side) + 0.5 - side / 2) / (side / 4) for side in (height, width))
    return np.exp(-0.5 * np.add.outer(rows**2, columns**2)).astype(np.float32)


def random_pixels(count: int, height: int, width: int, seed: int) -> np.ndarray:
    """Returns float32 [count, height, width]: every pixel drawn for itself."""
    return np.random.default_rng(seed).random((count, height, width), np.float32)


def random_patches(
    count: int, height: int, width: int, grid: tuple[int, int], seed: int
) -> np.ndarray:
    """Returns float32 [count, height, width]: random numbers on a coarse grid, enlarged.

    They are as smooth as a class activation map of a layer with that grid.
    """
    small = np.random.default_rng(seed).random((count, *grid), np.float32)
    resized = [
        np.asarray(Image.fromarray(each).resize((width, height), Image.Resampling.BILINEAR))
        for each in small
    ]
    return np.stack(resized)
