"""Antialiased drawing of shapes on pixel grids: signed distances, alpha coverage, compositing.

B images of S×S pixels are drawn at once. Coordinates `x`, `y` are float32 [B, S, S] or broadcast to
it. Every parameter is a scalar or float32 [B, 1, 1]. Lengths are in the units of the coordinates. A
shape is given by its signed distance, which is negative inside; `cover` converts it to alpha.
"""

import numpy as np

Array = np.ndarray


def pixel_grid(size: int) -> tuple[Array, Array]:
    """Returns the pixel centres of a square image, float32 x [1, 1, S] and y [1, S, 1] in ±1."""
    centres = ((np.arange(size, dtype=np.float32) + 0.5) * (2.0 / size) - 1.0).astype(np.float32)
    return centres[None, None, :], centres[None, :, None]


def cover(distance: Array, pixel: Array | float) -> Array:
    """Returns alpha in [0, 1] for a signed distance; the edge is `pixel` wide, centred on zero."""
    return np.clip(0.5 - distance * (1.0 / pixel), 0.0, 1.0)


def where_float32(condition: Array, true: float = 1.0, false: float = 0.0) -> Array:
    """Returns float32 `true` where the condition holds, else `false`; never widens to float64."""
    return np.where(condition, np.float32(true), np.float32(false))


def over(image: Array, colour: Array, alpha: Array) -> Array:
    """Returns `colour` [B, 3, 1, 1] laid over `image` [B, 3, S, S] with alpha [B, S, S]."""
    layer = colour - image
    layer *= alpha[:, None]
    layer += image
    return layer


def ellipse(x: Array, y: Array, half_width: Array | float, half_height: Array | float) -> Array:
    """Returns an approximate distance to an ellipse round the origin, zero on its outline.

    It is exact for a circle. For other ellipses edges are softer at the narrow ends and harder
    between them.
    """
    # This divides once per face instead of once per pixel; the functions below do the same.
    u, v = x * (1.0 / half_width), y * (1.0 / half_height)
    # A Python power: np.sqrt of two Python floats would widen everything to float64.
    return (np.sqrt(u * u + v * v) - 1.0) * (half_width * half_height) ** 0.5


def egg(
    x: Array, y: Array, width: Array, top: Array, bottom: Array, taper: Array, square: Array
) -> tuple[Array, Array, Array]:
    """Returns the outline of an egg-shaped head and unit coordinates inside it.

    The shape is an ellipse of two half-heights. `taper` narrows it towards positive y. `square` in
    [0, 1) squares it off (the squircle u² + v² - square·u²v² = 1 of Fernandez-Guasti, 1992).

    Returns:
      The approximate signed distance, and `u`, `v` that reach ±1 on the outline.
    """
    v = y * np.where(y > 0, 1.0 / bottom, 1.0 / top)
    u = x / (width * (1.0 - taper * v))
    uu, vv = u * u, v * v
    radius = np.sqrt(uu + vv - square * np.minimum(uu, 1.0) * np.minimum(vv, 1.0) + 1e-9)
    return (radius - 1.0) * width, u, v


def spot(x: Array, y: Array, half_width: Array | float, half_height: Array | float) -> Array:
    """Returns a soft spot at the origin: 1 in its centre, falling smoothly to 0 on the ellipse."""
    u, v = x * (1.0 / half_width), y * (1.0 / half_height)
    fall = np.clip(1.0 - u * u - v * v, 0.0, None)
    return fall * fall


def arch(t: Array, roundness: Array | float) -> tuple[Array, Array]:
    """Returns the arch (1 - t²)(1 + roundness·t²), zero at t = ±1, and its derivative.

    It is negative beyond t = ±1, so an upper and a lower arch close a shape without clipping.
    """
    tt = t * t
    return (1.0 - tt) * (1.0 + roundness * tt), 2.0 * t * (roundness - 1.0 - 2.0 * roundness * tt)


def below(y: Array, curve: Array, slope: Array) -> Array:
    """Returns the signed distance to the region below y = `curve`(x); y points down."""
    return (curve - y) / np.sqrt(1.0 + slope * slope)


def stroke(
    along: Array, across: Array, bend: Array | float, length: Array | float, width: Array | float
) -> Array:
    """Returns the signed distance to a curved line that tapers towards both of its ends.

    Args:
      along: coordinate along the line, 0 at its centre.
      across: coordinate across the line, 0 at its ends.
      bend: how far the centre lies to the positive side of `across`.
      length: half of the length.
      width: half of the width at the centre.
    """
    t = along * (1.0 / length)
    rise = 1.0 - t * t
    slope = t * (2.0 * bend / length)
    distance_from_line = np.abs(across - bend * rise) / np.sqrt(1.0 + slope * slope)
    return np.maximum(distance_from_line - width * (0.35 + 0.65 * rise), np.abs(along) - length)
