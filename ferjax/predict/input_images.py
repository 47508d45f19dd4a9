"""Converts arrays, Pillow images and image files to face arrays; refuses ambiguous shapes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ferjax.data.decoding.image_file import read_unresized
from ferjax.errors import UserError, unknown_name

# One face or several: an array, or a sequence of single faces.
Images = np.ndarray | Image.Image | str | os.PathLike[str] | Sequence[Any]

_ONE = "[H, W, 1 or 3]"
_SEVERAL = f"[N, H, W, 1 or 3] or grey [N, H, W], or one face {_ONE} or [H, W],"
_CHANNELS = (1, 3)
_CHANNEL_ORDERS = ("rgb", "bgr")
_NAMED_OR_PILLOW = (str, os.PathLike, Image.Image)
_GREY_MODES = ("1", "L", "LA")


def face_arrays(images: Images, channel_order: str = "rgb") -> list[np.ndarray]:
    """Returns uint8 [H, W, C] for each image, C 1 (grey) or 3 (RGB); sizes may differ.

    Args:
      images: one face: uint8 [H, W], [H, W, 1] or [H, W, 3], a Pillow image, or the name of an
        image file. Several: uint8 [N, H, W, 1 or 3] or [N, H, W], or a list of single faces. Alpha
        of files and Pillow images is dropped, as in training.
      channel_order: channel order of arrays with three channels: `rgb`, or `bgr` as OpenCV reads.
        It does not apply to files and Pillow images.

    Raises:
      UserError: images of any other form; an empty face; or an array [3, H, W], which may be three
        grey faces or one RGB face with its channels first.
    """
    if channel_order not in _CHANNEL_ORDERS:
        raise unknown_name("channel_order", channel_order, _CHANNEL_ORDERS)
    faces = _faces(images)
    if channel_order == "rgb":
        return faces
    sources: Any = images if _is_list(images) else [images] * len(faces)
    return [
        face if isinstance(source, _NAMED_OR_PILLOW) else face[..., ::-1]
        for face, source in zip(faces, sources, strict=True)
    ]


def _faces(images: Images) -> list[np.ndarray]:
    """Returns uint8 [H, W, C] for each image."""
    if isinstance(images, _NAMED_OR_PILLOW):
        return [_face(images, "the image")]
    if _is_list(images):
        return [_face(image, f"image {i}") for i, image in enumerate(images)]
    array = np.asarray(images)
    if array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in _CHANNELS):
        return [_face(array, "the image")]
    if array.ndim == 3 and len(array) == 3:
        raise UserError(
            f"images: {array.dtype} {[*array.shape]} may be three grey faces or one RGB face with"
            " its channels first. Give grey faces as [3, H, W, 1], or an RGB face as [H, W, 3]:"
            " images.transpose(1, 2, 0)."
        )
    # A last axis of 2 or 4 means channels with alpha, not rows of 2 or 4 pixels.
    if array.ndim == 4 or (array.ndim == 3 and array.shape[-1] not in (2, 4)):
        return [_face(image, f"image {i}") for i, image in enumerate(array)]
    raise _refused("images", _SEVERAL, images)


def _is_list(images: Any) -> bool:
    """Returns whether images are a list, or an array of objects: faces that differ in size."""
    of_objects = isinstance(images, np.ndarray) and images.ndim == 1 and images.dtype.kind in "OU"
    return of_objects or isinstance(images, (list, tuple))


def _face(image: Any, name: str) -> np.ndarray:
    """Returns one face as uint8 [H, W, C]."""
    if isinstance(image, Image.Image):
        image = _pillow_pixels(image, name)
    elif isinstance(image, (str, os.PathLike)):
        path = Path(os.path.expanduser(image))
        if path.is_dir():
            raise UserError(f"{name}: {path} is a folder; give the image files in it.")
        image = read_unresized(path)
    array = np.asarray(image)
    pixels = array[..., None] if array.ndim == 2 else array
    if array.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in _CHANNELS:
        raise _refused(name, _ONE, image)
    if not pixels.size:
        raise UserError(f"{name}: it is empty, {[*array.shape]}. Does the crop lie in the picture?")
    return pixels


def _pillow_pixels(image: Image.Image, name: str) -> np.ndarray:
    """Returns the pixels of a Pillow image, as the reader of image files would return them."""
    if image.mode[0] in "IF":
        raise UserError(f"{name}: a Pillow image of 8 bits expected, found mode {image.mode}.")
    upright = ImageOps.exif_transpose(image)
    if image.mode in _GREY_MODES:
        return np.asarray(upright.convert("L"))
    if upright.mode in ("P", "PA") or "transparency" in upright.info:
        upright = upright.convert("RGBA")
    return np.asarray(upright.convert("RGB"))


def _refused(name: str, expected: str, value: Any) -> UserError:
    """Returns the error for a value that is no image: what it is, what is expected, what to do."""
    array = np.asarray(value)
    shape, kind = [*array.shape], array.dtype.kind
    if kind not in "biuf" or not shape:
        return UserError(f"{name}: uint8 {expected} expected, found {type(value).__name__}.")
    if kind != "u" or array.dtype.itemsize > 1:
        if kind in "iu":
            advice = " Values of 0 to 255: images.astype('uint8')."
        elif (array > 1).any():
            advice = " Values of 0 to 255 become that by images.round().astype('uint8')."
        else:
            advice = " Values of 0 to 1 become that by (255 * images).round().astype('uint8')."
    elif len(shape) > 2 and shape[-1] in (2, 4):
        advice = " Leave alpha out: images[..., :-1]."
    elif len(shape) > 2 and shape[-3] in _CHANNELS:
        advice = " The channels come last: np.moveaxis(images, -3, -1)."
    else:
        advice = ""
    return UserError(f"{name}: uint8 {expected} expected, found {array.dtype} {shape}.{advice}")
