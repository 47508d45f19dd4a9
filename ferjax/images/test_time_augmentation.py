"""Test-time augmentation (TTA): averages the predictions for flipped and ten-crop views."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.errors import unknown_name
from ferjax.images.geometry import Geometry
from ferjax.images.preprocess import network_input
from ferjax.specs import InputSpec

# 44 of 48 pixels, as in published ten-crop results on FER2013; other sizes keep the ratio.
_CROP_RATIO = 0.9167


class View(NamedTuple):
    """One view of an image.

    Attributes:
      flip: whether the view is mirrored.
      crop: position of the crop (down, right), from -1 (top, left) to 1; None: the whole image.
    """

    flip: bool
    crop: tuple[int, int] | None = None


_CROP_POSITIONS = ((-1, -1), (-1, 1), (1, -1), (1, 1), (0, 0))
VIEWS: dict[str, tuple[View, ...]] = {
    "none": (View(False),),
    "flip": (View(False), View(True)),
    "ten_crop": tuple(View(flip, crop) for flip in (False, True) for crop in _CROP_POSITIONS),
}


def view_geometry(tta: str, size: int) -> Geometry:
    """Returns the views as a geometry with V rows: crop, flip and resize stay one resample.

    The side of a crop is round(0.9167 * size) of the network's `size` pixels (44 of 48). The crop
    is enlarged to `size`. The crops are the four corners and the centre.

    Raises:
      UserError: `tta` is not a name in `VIEWS`.
    """
    if tta not in VIEWS:
        raise unknown_name("test-time augmentation", tta, VIEWS)
    views = VIEWS[tta]
    window = round(_CROP_RATIO * size) / size
    cropped = np.array([[view.crop is not None] for view in views])
    positions = np.array([view.crop or (0, 0) for view in views], np.float32)
    return Geometry(
        flip=jnp.array([view.flip for view in views]),
        # The window moves down when the content moves up.
        shift=jnp.array(-positions * (1 - window) / 2),
        window=jnp.array(np.where(cropped, window, 1.0).repeat(2, 1), jnp.float32),
    )


def averaged(
    logits_of: Callable[[Any], jax.Array],
    images: jax.Array | np.ndarray,
    spec: InputSpec,
    tta: str,
) -> jax.Array:
    """Returns the log of the mean softmax over the views, float [B, K].

    The softmax of the result is that mean, so it can replace logits everywhere. With `none` it
    returns the unchanged logits.

    Args:
      logits_of: network input, or a pair of inputs (`preprocess.network_input`), → logits [B, K].
      images: uint8 [B, H, W, 1 or 3].
      spec: the size, channels and normalisation of the network's input.
      tta: a name in `VIEWS`.

    Raises:
      UserError: `tta` is not a name in `VIEWS`.
    """
    geometry = view_geometry(tta, spec.size)
    if tta == "none":
        return logits_of(network_input(images, spec))

    def log_softmax_of_view(view: Geometry) -> jax.Array:
        view = jax.tree.map(lambda part: part[None], view)
        return jax.nn.log_softmax(logits_of(network_input(images, spec, view)))

    # One view at a time: the network is compiled once and needs the memory of one view.
    views = jax.lax.map(log_softmax_of_view, geometry)
    return jax.nn.logsumexp(views, axis=0) - jnp.log(len(views)).astype(views.dtype)
