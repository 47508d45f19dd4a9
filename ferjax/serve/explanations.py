"""Explanations of answers: maps drawn over the face that the network received."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ferjax.data.decoding.image_file import decode_opened, resize_image
from ferjax.errors import UserError, unknown_name
from ferjax.explain.explainer import DEFAULT_METHOD, Explainer
from ferjax.explain.methods import METHODS
from ferjax.explain.overlay import legible_overlay
from ferjax.predict.inputs import Input
from ferjax.predict.predict_inputs import PredictSettings, rows_and_faces
from ferjax.serve.limits import Limits, Refused
from ferjax.serve.uploads import Upload, open_picture

# Larger faces are shrunk to this side, in pixels: their maps have no finer detail.
_LARGEST_SIDE = 512


def available_methods(explainer: Explainer) -> list[str]:
    """Returns the methods that work with a network, the default one first."""

    def is_available(method: str) -> bool:
        try:
            explainer.find_layer(method, None)
        except UserError:  # the network has no feature maps
            return False
        return True

    return sorted(filter(is_available, METHODS), key=lambda name: name != DEFAULT_METHOD)


def explained_face(
    file: Upload,
    face: int,
    settings: PredictSettings,
    limits: Limits,
    explainer: Explainer,
    method: str | None,
    emotion: str | None,
) -> bytes:
    """Returns a PNG of one face of a picture, with a map of the regions that support an emotion.

    Args:
      file: the picture.
      face: number of the face, as in the answer of /api/faces with the same settings.
      settings: whether and how faces are searched.
      limits: limits of pixels and faces.
      explainer: explains the network.
      method: a name of `available_methods`; None for the first of them.
      emotion: the emotion to explain; None for the most probable one.

    Raises:
      Refused: no picture, too many pixels, no such face, method or emotion.
    """
    image = open_picture(file, limits)
    methods = available_methods(explainer)
    try:
        if method is not None and method not in methods:
            # The explainer's error would call the method a flag.
            raise unknown_name("method", method, methods)
        pixels = decode_opened(image, file.name, len(file.data))
        pairs = rows_and_faces(Input(file.name, Path(file.name)), pixels, settings)
        crop = _crop_of([crop for _, crop in pairs if crop is not None], face)
        explanation = explainer(crop, method or methods[0], emotion)
    except UserError as error:
        raise Refused(422, str(error)) from None
    return _png(legible_overlay(crop, explanation.maps[0]))


def _crop_of(crops: Sequence[np.ndarray], face: int) -> np.ndarray:
    """Returns a face as RGB of a moderate size; a grey one would need another compiled program."""
    if not 0 <= face < len(crops):
        raise UserError(f"face={face}: {len(crops)} faces were found, counted from 0.")
    crop = crops[face]
    shrink = min(1.0, _LARGEST_SIDE / max(crop.shape[:2]))
    size = (max(1, round(shrink * crop.shape[0])), max(1, round(shrink * crop.shape[1])))
    return np.broadcast_to(resize_image(crop, size), (*size, 3)).copy()


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
