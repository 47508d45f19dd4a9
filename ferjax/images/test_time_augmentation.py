"""Test-time augmentation: a network's answers to several views of each image, averaged."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.errors import unknown_name
from ferjax.images.geometry import Geometry
from ferjax.images.preprocess import network_input
from ferjax.specs import InputSpec

# 44 of 48 pixels, as FER2013's ten-crop results have it; other sizes keep the proportion.
_CROP = 0.9167


class View(NamedTuple):
    """One view of an image.

    Attributes:
      flip: whether it is mirrored.
      place: where the crop lies, (down, right) from -1 (top, left) to 1; None is the whole image.
    """

    flip: bool
    place: tuple[int, int] | None = None


_PLACES = ((-1, -1), (-1, 1), (1, -1), (1, 1), (0, 0))
VIEWS: dict[str, tuple[View, ...]] = {
    "none": (View(False),),
    "flip": (View(False), View(True)),
    "ten_crop": tuple(View(flip, place) for flip in (False, True) for place in _PLACES),
}


def view_geometry(tta: str, size: int) -> Geometry:
    """Returns each view as a geometry [V]: crop, mirror and resize remain one resample.

    A crop's side is round(0.9167 * size) of the network's `size` pixels, 44 of 48, and it is
    enlarged back to `size`. Crops lie in the four corners and the centre.

    Raises:
      UserError: no such name.
    """
    if tta not in VIEWS:
        raise unknown_name("test-time augmentation", tta, VIEWS)
    views = VIEWS[tta]
    window = round(_CROP * size) / size
    cropped = np.array([[view.place is not None] for view in views])
    places = np.array([view.place or (0, 0) for view in views], np.float32)
    return Geometry(
        flip=jnp.array([view.flip for view in views]),
        # What is seen moves down as the content moves up.
        shift=jnp.array(-places * (1 - window) / 2),
        window=jnp.array(np.where(cropped, window, 1.0).repeat(2, 1), jnp.float32),
    )


def averaged(
    logits_of: Callable[[Any], jax.Array],
    images: jax.Array | np.ndarray,
    spec: InputSpec,
    tta: str,
) -> jax.Array:
    """Returns the log of the mean, over the views, of the softmax: float [B, K].

    Its softmax is that mean, so it stands wherever logits do. `none` is the logits as they are.

    Args:
      logits_of: network input, or a pair of them (`preprocess.network_input`), → logits [B, K].
      images: uint8 [B, H, W, 1 or 3].
      spec: how they become input.
      tta: a name of `VIEWS`.

    Raises:
      UserError: no such name.
    """
    geometry = view_geometry(tta, spec.size)
    if tta == "none":
        return logits_of(network_input(images, spec))

    def one(view: Geometry) -> jax.Array:
        view = jax.tree.map(lambda part: part[None], view)
        return jax.nn.log_softmax(logits_of(network_input(images, spec, view)))

    # One view at a time: the network is compiled once, and memory is that of one.
    views = jax.lax.map(one, geometry)
    return jax.nn.logsumexp(views, axis=0) - jnp.log(len(views)).astype(views.dtype)
