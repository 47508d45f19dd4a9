"""One pass over the pixels of a split: who cannot be read, statistics, digests and hashes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ferjax.data.audit.perceptual_hash import THUMBNAIL, grey, perceptual_hash, thumbnails
from ferjax.data.audit.split_overlap import pixel_digest
from ferjax.data.splits.split import Split
from ferjax.errors import UserError

# Pixels read at once: the float copies of a chunk stay within some 10 MB, which is also fastest.
_CHUNK_PIXELS = 1 << 19


@dataclass(frozen=True)
class PixelFacts:
    """What the pixels of a split tell, for its M images that can be read.

    Attributes:
      positions: int64 [M], ascending positions in the split.
      digests: M hashes of the decoded pixels and their shape.
      hashes: uint64 [M], perceptual.
      mirrored: uint64 [M], the same of the images mirrored left to right.
      thumbnails: uint8 [M, 256], grey.
      grey: bool [M], all channels are equal.
      plain: bool [M], all pixels are equal.
      mean: float64 [C], in [0, 1], over all pixels; NaN where M is 0.
      deviation: float64 [C], likewise.
      unreadable: (position, the error) of each image that cannot be read.
    """

    positions: np.ndarray
    digests: tuple[bytes, ...]
    hashes: np.ndarray
    mirrored: np.ndarray
    thumbnails: np.ndarray
    grey: np.ndarray
    plain: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    unreadable: tuple[tuple[int, str], ...]


def pixel_facts(split: Split) -> PixelFacts:
    """Reads every image of a split once, a chunk at a time.

    Images that raise `UserError` are noted and left out of everything else.
    """
    unreadable: list[tuple[int, str]] = []
    positions, digests = [np.zeros(0, np.int64)], []
    hashes, mirrored = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    small = [np.zeros((0, THUMBNAIL**2), np.uint8)]
    same, plain = [np.zeros(0, bool)], [np.zeros(0, bool)]
    histogram = np.zeros((split.shape[-1], 256), np.int64)
    for where, images in _chunks(split, unreadable):
        light = grey(images)
        positions.append(where)
        digests += map(pixel_digest, images)
        hashes.append(perceptual_hash(light))
        mirrored.append(perceptual_hash(light[:, :, ::-1]))
        small.append(thumbnails(light).round().astype(np.uint8))
        same.append(np.array([_is_grey(x) for x in images]))
        plain.append(np.array([(x == x[:1, :1]).all() for x in images]))
        tall = images.reshape(-1, *images.shape[2:])
        picture = Image.fromarray(tall[..., 0] if tall.shape[-1] == 1 else tall)
        histogram += np.reshape(picture.histogram(), histogram.shape)
    with np.errstate(invalid="ignore"):
        frequency = histogram / np.float64(histogram.sum(axis=1, keepdims=True))
    levels = np.arange(256) / 255
    mean = frequency @ levels
    deviation = np.sqrt((frequency * (levels - mean[:, None]) ** 2).sum(axis=1))
    return PixelFacts(
        np.concatenate(positions),
        tuple(digests),
        np.concatenate(hashes),
        np.concatenate(mirrored),
        np.concatenate(small),
        np.concatenate(same),
        np.concatenate(plain),
        mean,
        deviation,
        tuple(unreadable),
    )


def _is_grey(image: np.ndarray) -> bool:
    """Returns whether all channels of uint8 [H, W, C] are equal."""
    first = image[..., 0]
    return all(np.array_equal(first, image[..., c]) for c in range(1, image.shape[-1]))


def _chunks(
    split: Split, unreadable: list[tuple[int, str]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields (positions, images) of what can be read; appends the rest to `unreadable`."""
    step = max(1, _CHUNK_PIXELS // (split.shape[0] * split.shape[1]))
    for start in range(0, len(split), step):
        where = np.arange(start, min(start + step, len(split)))
        try:
            yield where, split.read(where)
        except UserError:
            # Only a chunk with a broken image is read image by image.
            for k in range(len(where)):
                try:
                    image = split.read(where[k : k + 1])
                except UserError as error:
                    unreadable.append((int(where[k]), str(error)))
                else:
                    yield where[k : k + 1], image
