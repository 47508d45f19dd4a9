"""A map drawn over its face: what is important is coloured, what is not is grey."""

import matplotlib
import numpy as np
from PIL import Image

# Dark to bright in one order for every reader; the low end is transparent.
_COLOURS = "plasma"
_STRONGEST = 0.7
# What the colours mean, in words for pages and figures.
LEGEND = "Yellow: counts most; orange, pink and purple: less and less; grey: does not count."
# Smaller faces are enlarged by a whole number until they are legible.
_LEGIBLE = 192


def overlay(face: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Returns uint8 [H, W, 3]: the face in grey under the colours of its map.

    Args:
      face: uint8 [H, W, 1 or 3], or [H, W] for grey.
      heat: float [H, W] in [0, 1], of `Explanation.maps`.
    """
    face = face[..., None] if face.ndim == 2 else face
    if face.shape[-1] == 3:
        face = np.asarray(Image.fromarray(face).convert("L"))[..., None]
    share = _STRONGEST * np.clip(heat, 0, 1)[..., None]
    colours = 255 * matplotlib.colormaps[_COLOURS](np.clip(heat, 0, 1))[..., :3]
    return ((1 - share) * face + share * colours).round().astype(np.uint8)


def enlarged(image: np.ndarray) -> np.ndarray:
    """Returns uint8 [n H, n W, C] with the smallest n that makes the shorter side legible."""
    times = -(-_LEGIBLE // min(image.shape[:2]))
    if times == 1:
        return image
    height, width = image.shape[:2]
    grey = image.shape[-1] == 1
    picture = Image.fromarray(image[..., 0] if grey else image)
    large = np.asarray(picture.resize((times * width, times * height), Image.Resampling.BICUBIC))
    return large[..., None] if grey else large


def legible_overlay(face: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Returns `overlay` of a face that is enlarged where it is small, and its map with it."""
    large = enlarged(face)
    size = (large.shape[1], large.shape[0])
    picture = Image.fromarray(heat.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return overlay(large, np.asarray(picture))
