"""Draws a map over its face: important pixels are coloured, the others are grey."""

import matplotlib
import numpy as np
from PIL import Image

# A colour map from dark to bright, in an order that every reader sees. Low values are transparent.
_COLOURS = "plasma"
# Opacity of the colour of the largest value.
_MAX_OPACITY = 0.7
# The meaning of the colours, for pages and figures.
LEGEND = "Yellow: counts most; orange, pink and purple: less and less; grey: does not count."
# Pixels of the shorter side. Smaller faces are enlarged by a whole number until they have so many.
_LEGIBLE_SIDE = 192


def overlay(face: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Returns uint8 [H, W, 3]: the face in grey under the colours of its map.

    Args:
      face: uint8 [H, W, 1 or 3], or [H, W] for grey.
      heat: float [H, W] in [0, 1], one map of `Explanation.maps`.
    """
    face = face[..., None] if face.ndim == 2 else face
    if face.shape[-1] == 3:
        face = np.asarray(Image.fromarray(face).convert("L"))[..., None]
    opacity = _MAX_OPACITY * np.clip(heat, 0, 1)[..., None]
    colours = 255 * matplotlib.colormaps[_COLOURS](np.clip(heat, 0, 1))[..., :3]
    return ((1 - opacity) * face + opacity * colours).round().astype(np.uint8)


def enlarged(image: np.ndarray) -> np.ndarray:
    """Returns uint8 [n H, n W, C] with the smallest n that makes the shorter side legible."""
    factor = -(-_LEGIBLE_SIDE // min(image.shape[:2]))
    if factor == 1:
        return image
    height, width = image.shape[:2]
    grey = image.shape[-1] == 1
    picture = Image.fromarray(image[..., 0] if grey else image)
    large = np.asarray(picture.resize((factor * width, factor * height), Image.Resampling.BICUBIC))
    return large[..., None] if grey else large


def legible_overlay(face: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Returns `overlay` of a face; a small face is enlarged together with its map."""
    large = enlarged(face)
    size = (large.shape[1], large.shape[0])
    picture = Image.fromarray(heat.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return overlay(large, np.asarray(picture))
