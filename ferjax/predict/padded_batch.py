"""Batches of faces, padded to a power of two so that few programs are compiled."""

from collections.abc import Sequence

import numpy as np

from ferjax.data.decoding.image_file import resize_image
from ferjax.specs import InputSpec


def padded_size(count: int, most: int) -> int:
    """Returns the rows of a batch for `count` images: the next power of two, at most `most`."""
    return min(most, 1 << max(count - 1, 0).bit_length())


def padded_batch(faces: Sequence[np.ndarray], size: int, spec: InputSpec) -> np.ndarray:
    """Returns uint8 [size, H, W, C]: the faces at the storage size, then black images.

    Where some faces are RGB, the single channel of grey faces is repeated, as the device would do.

    Args:
      faces: uint8 [h, w, 1 or 3] each, 1 to `size` of them.
      size: rows of the batch.
      spec: the InputSpec of the network; (H, W) is its `storage`.
    """
    stored = [resize_image(face, spec.storage) for face in faces]
    channels = max(face.shape[-1] for face in stored)
    batch = np.stack([np.broadcast_to(face, (*spec.storage, channels)) for face in stored])
    return np.pad(batch, ((0, size - len(batch)), (0, 0), (0, 0), (0, 0)))
