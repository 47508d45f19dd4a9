"""Perceptual hash of an image (64-bit DCT hash), and its 16×16 grey thumbnail."""

import numpy as np

THUMBNAIL = 16
_REDUCED, _LOW = 32, 8
# ITU-R 601 weights, as in Pillow's conversion to grey.
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def grey(images: np.ndarray) -> np.ndarray:
    """Returns float32 [N, H, W], 0 to 255, of uint8 [N, H, W, C]; C is 1 or 3."""
    images = images.astype(np.float32)
    return images[..., 0] if images.shape[-1] == 1 else images @ _GREY


def perceptual_hash(images: np.ndarray) -> np.ndarray:
    """Returns the 64-bit DCT hash of each image.

    The image is averaged down to 32×32. Bit k is set if the k-th of its 8×8 lowest DCT
    coefficients, row by row, is above their median. Scaling, recompression and small changes of
    light change few bits.

    Args:
      images: float32 [N, H, W], grey.

    Returns:
      uint64 [N].

    References:
      Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.
    """
    rows, columns = (_dct_basis() @ area_weights(side, _REDUCED) for side in images.shape[1:])
    low = (rows @ images @ columns.T).reshape(len(images), _LOW * _LOW)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Returns float32 [N, 256]: grey images [N, H, W] averaged down to 16×16 pixels."""
    rows, columns = (area_weights(side, THUMBNAIL) for side in images.shape[1:])
    return (rows @ images @ columns.T).reshape(len(images), THUMBNAIL**2)


def area_weights(size: int, new_size: int) -> np.ndarray:
    """Returns float32 [new_size, size]: output pixel i is the mean of the input that it covers.

    A `new_size` above `size` repeats pixels.
    """
    edges = np.arange(new_size + 1) * (size / new_size)
    low, high = edges[:-1, None], edges[1:, None]
    pixels = np.arange(size)
    covered = np.minimum(high, pixels + 1) - np.maximum(low, pixels)
    return (np.maximum(covered, 0) * (new_size / size)).astype(np.float32)


def _dct_basis() -> np.ndarray:
    """Returns float32 [8, 32], the 8 lowest orthonormal DCT-II basis vectors."""
    angles = np.pi / _REDUCED * np.outer(np.arange(_LOW), np.arange(_REDUCED) + 0.5)
    basis = np.cos(angles) * np.sqrt(2 / _REDUCED)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)
