"""Reads all pixels of a split once: mean, standard deviation, hashes, unreadable images."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ferjax.data.audit.perceptual_hash import THUMBNAIL, grey, perceptual_hash, thumbnails
from ferjax.data.audit.split_overlap import pixel_digest
from ferjax.data.splits.split import Split
from ferjax.errors import UserError

# Pixels read at once: the float copies of a chunk take about 10 MB, which is also fastest.
_CHUNK_PIXELS = 1 << 19


@dataclass(frozen=True)
class PixelStatistics:
    """Statistics of the pixels of a split, for its M images that can be read.

    Attributes:
      positions: int64 [M], ascending positions in the split.
      digests: M hashes of the decoded pixels and their shape.
      hashes: uint64 [M], perceptual.
      mirrored: uint64 [M], perceptual hashes of the images mirrored left to right.
      thumbnails: uint8 [M, 256], grey.
      grey: bool [M], whether all channels are equal.
      plain: bool [M], whether all pixels are equal.
      mean: float64 [C], in [0, 1], over all pixels; NaN where M is 0.
      standard_deviation: float64 [C], over all pixels; NaN where M is 0.
      unreadable: (position, error message) of each image that cannot be read.
    """

    positions: np.ndarray
    digests: tuple[bytes, ...]
    hashes: np.ndarray
    mirrored: np.ndarray
    thumbnails: np.ndarray
    grey: np.ndarray
    plain: np.ndarray
    mean: np.ndarray
    standard_deviation: np.ndarray
    unreadable: tuple[tuple[int, str], ...]


def compute_pixel_statistics(split: Split) -> PixelStatistics:
    """Reads every image of a split once, a chunk at a time.

    Images that raise `UserError` are listed as unreadable and left out of all other fields.
    """
    unreadable: list[tuple[int, str]] = []
    positions, digests = [np.zeros(0, np.int64)], []
    hashes, mirrored = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    small_images = [np.zeros((0, THUMBNAIL**2), np.uint8)]
    is_grey, is_plain = [np.zeros(0, bool)], [np.zeros(0, bool)]
    histogram = np.zeros((split.shape[-1], 256), np.int64)
    for positions_read, images in _read_chunks(split, unreadable):
        grey_images = grey(images)
        positions.append(positions_read)
        digests += map(pixel_digest, images)
        hashes.append(perceptual_hash(grey_images))
        mirrored.append(perceptual_hash(grey_images[:, :, ::-1]))
        small_images.append(thumbnails(grey_images).round().astype(np.uint8))
        is_grey.append(np.array([_is_grey(x) for x in images]))
        is_plain.append(np.array([(x == x[:1, :1]).all() for x in images]))
        stacked_pixels = images.reshape(-1, *images.shape[2:])
        stacked_image = Image.fromarray(
            stacked_pixels[..., 0] if stacked_pixels.shape[-1] == 1 else stacked_pixels
        )
        histogram += np.reshape(stacked_image.histogram(), histogram.shape)
    with np.errstate(invalid="ignore"):
        frequency = histogram / np.float64(histogram.sum(axis=1, keepdims=True))
    levels = np.arange(256) / 255
    mean = frequency @ levels
    standard_deviation = np.sqrt((frequency * (levels - mean[:, None]) ** 2).sum(axis=1))
    return PixelStatistics(
        np.concatenate(positions),
        tuple(digests),
        np.concatenate(hashes),
        np.concatenate(mirrored),
        np.concatenate(small_images),
        np.concatenate(is_grey),
        np.concatenate(is_plain),
        mean,
        standard_deviation,
        tuple(unreadable),
    )


def _is_grey(image: np.ndarray) -> bool:
    """Returns whether all channels of uint8 [H, W, C] are equal."""
    first = image[..., 0]
    return all(np.array_equal(first, image[..., c]) for c in range(1, image.shape[-1]))


def _read_chunks(
    split: Split, unreadable: list[tuple[int, str]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields (positions, images) of the readable images; appends the others to `unreadable`."""
    step = max(1, _CHUNK_PIXELS // (split.shape[0] * split.shape[1]))
    for start in range(0, len(split), step):
        positions_read = np.arange(start, min(start + step, len(split)))
        try:
            yield positions_read, split.read(positions_read)
        except UserError:
            # Only a chunk with a broken image is read one image at a time.
            for k in range(len(positions_read)):
                try:
                    image = split.read(positions_read[k : k + 1])
                except UserError as error:
                    unreadable.append((int(positions_read[k]), str(error)))
                else:
                    yield positions_read[k : k + 1], image
