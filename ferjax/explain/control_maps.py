"""Control maps that do not depend on the network; an explanation has to be better than they are."""

import numpy as np
from PIL import Image


def centred_gaussian(height: int, width: int) -> np.ndarray:
    """Returns float32 [height, width]: a Gaussian whose largest values are at the image's centre.

    Its standard deviation is a quarter of each side; only the order of the pixels matters.
    """
    rows, columns = ((np.arange(side) + 0.5 - side / 2) / (side / 4) for side in (height, width))
    return np.exp(-0.5 * np.add.outer(rows**2, columns**2)).astype(np.float32)


def random_pixels(count: int, height: int, width: int, seed: int) -> np.ndarray:
    """Returns float32 [count, height, width]: every pixel is drawn independently."""
    return np.random.default_rng(seed).random((count, height, width), np.float32)


def random_patches(
    count: int, height: int, width: int, grid: tuple[int, int], seed: int
) -> np.ndarray:
    """Returns float32 [count, height, width]: random numbers on a coarse grid, enlarged.

    The maps are as smooth as a class activation map of a layer with that grid.
    """
    small = np.random.default_rng(seed).random((count, *grid), np.float32)
    resized = [
        np.asarray(Image.fromarray(each).resize((width, height), Image.Resampling.BILINEAR))
        for each in small
    ]
    return np.stack(resized)
