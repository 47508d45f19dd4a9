"""Finds identical images in two splits (leakage) by a hash of their pixels."""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np

from ferjax.data.splits.split import Split

_CHUNK = 512


def exact_overlap(a: Split, b: Split) -> tuple[int, ...]:
    """Returns the positions in `b`, ascending, of images whose pixels also occur in `a`.

    Splits whose images differ in shape have no identical images. Every image of both splits is
    read, a few hundred at a time.
    """
    if a.shape != b.shape:
        return ()
    digests_of_a = set(_digests(a))
    return tuple(position for position, digest in enumerate(_digests(b)) if digest in digests_of_a)


def _digests(split: Split) -> Iterator[bytes]:
    """Yields a 16-byte hash of each image's pixels, in the order of the split."""
    for start in range(0, len(split), _CHUNK):
        positions = np.arange(start, min(start + _CHUNK, len(split)))
        yield from map(pixel_digest, split.read(positions))


def pixel_digest(image: np.ndarray) -> bytes:
    """Returns a 16-byte hash of an image's shape and pixels."""
    return blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).digest()
