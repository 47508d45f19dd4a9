"""Decodes and resizes image files to uint8 arrays; reads image headers."""

import io
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from ferjax.data.decoding.process_pool import DecodePool
from ferjax.data.decoding.readable_formats import open_readable, readable_formats
from ferjax.data.decoding.unreadable_file import undecodable, unreadable_file
from ferjax.data.decoding.usable_cores import usable_cores

# Exceptions that Pillow raises on truncated, foreign or malicious files; decoders differ in them.
_DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    UserWarning,  # about damaged tags, if warnings are raised as errors
)
_THREADED_PIXELS = 96 * 96
# With fewer images per thread, a thread costs more time than it saves.
_IMAGES_PER_THREAD = 4
_GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F"})
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(path: Path, size: tuple[int, int] | None, channels: int) -> np.ndarray:
    """Decodes one image file, upright, in the given size and number of channels.

    Alpha is dropped, not composited. The first frame of an animation is used.

    Args:
      path: a file of `readable_formats`; 16-bit greys are scaled to 8 bits.
      size: (H, W) of the result, None for the size of the file.
      channels: 1 (grey, ITU-R 601 weights) or 3 (RGB; grey is repeated).

    Returns:
      uint8 [H, W, channels], values 0 to 255.

    Raises:
      UserError: the file is missing, empty, truncated, not an image, larger than Pillow's limit of
        pixels, not permitted to be read, or has 32-bit pixels, whose range is unknown.
    """
    try:
        pixels = _upright_pixels(path, channels)
    except _DECODE_ERRORS as error:
        raise unreadable_file(path, error) from error
    return pixels if size is None else resize_image(pixels, size)


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Decodes the bytes of an image file, as `read_unresized` does.

    Args:
      data: all bytes of the file.
      name: for the error.

    Raises:
      UserError: the bytes are no image, see `read_image`.
    """
    return decode_opened(open_image(data, name), name, len(data))


def open_image(data: bytes, name: str, formats: tuple[str, ...] | None = None) -> Image.Image:
    """Reads the header of an image file; its pixels are not decoded yet, see `decode_opened`.

    Args:
      data: all bytes of the file.
      name: for the error.
      formats: Pillow's names of the formats that are allowed; None: all of `readable_formats`.

    Raises:
      UserError: the bytes are no image; its cause is Pillow's `DecompressionBombError` or `Warning`
        if the header states more pixels than Pillow's own limit.
    """
    try:
        return Image.open(io.BytesIO(data), formats=formats or readable_formats())
    except _DECODE_ERRORS as error:
        raise undecodable(name, len(data), error) from error


def decode_opened(file: Image.Image, name: str, size: int) -> np.ndarray:
    """Decodes an image of `open_image` as `read_unresized` does, and closes it.

    Args:
      file: the image.
      name: for the error.
      size: number of bytes of its file, for the error.

    Raises:
      UserError: the image is damaged.
    """
    try:
        with file:
            return _pixels_of(file, None)
    except _DECODE_ERRORS as error:
        raise undecodable(name, size, error) from error


def _upright_pixels(source: Path, channels: int | None) -> np.ndarray:
    """Returns uint8 [H, W, C]; without `channels` C is 1 for grey files and 3 for all others."""
    with open_readable(source) as file:
        return _pixels_of(file, channels)


def _pixels_of(file: Image.Image, channels: int | None) -> np.ndarray:
    """Returns uint8 [H, W, C] of an opened image file, upright."""
    transpose = _TRANSPOSE.get(_orientation(file))
    channels = channels or (1 if file.mode in _GREY_MODES else 3)
    mode = "L" if channels == 1 else "RGB"
    file.load()
    image = file if file.mode == mode else _eight_bit(file).convert(mode)
    image = image if transpose is None else image.transpose(transpose)
    pixels = np.frombuffer(image.tobytes(), np.uint8)
    return pixels.reshape(image.height, image.width, channels)


def read_images(
    paths: Sequence[Path],
    size: tuple[int, int],
    channels: int,
    threads: int | None = None,
    pool: DecodePool | None = None,
) -> np.ndarray:
    """Decodes image files in threads of this process, and in the processes of a pool if given.

    Args:
      paths: B files.
      size: (H, W) of the results.
      channels: 1 or 3.
      threads: number of threads. None: one for each core that this process may use.
      pool: processes that decode a part of the files; pixels and errors are the same without it.

    Returns:
      uint8 [B, H, W, channels].

    Raises:
      UserError: one of the files cannot be read.
    """
    images = np.empty((len(paths), *size, channels), np.uint8)
    rows = pool.read(paths, images) if pool else range(len(paths))
    threads = min(threads or usable_cores(), len(rows) // _IMAGES_PER_THREAD)

    def decode_every_nth(first: int) -> None:
        for k in rows[first :: max(1, threads)]:
            images[k] = read_image(paths[k], size, channels)

    if threads < 2:
        decode_every_nth(0)
        return images
    with ThreadPoolExecutor(threads) as executor:
        list(executor.map(decode_every_nth, range(threads)))
    return images


def decode_threads(pixels: int) -> int:
    """Returns the number of threads that decode files with this many pixels fastest.

    Decoding a small file is mostly Python code, so threads wait for the interpreter lock: 48x48
    faces take 1.75 times as long in two threads.
    """
    return usable_cores() if pixels >= _THREADED_PIXELS else 1


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes uint8 [h, w, C], C 1 or 3, to uint8 [H, W, C] for `size` (H, W).

    The filter is Pillow's bilinear. When it reduces an image, its triangle is as wide as the
    reduction, so the result is antialiased. When it enlarges, the result equals the resampling on
    the device. Unlike bicubic it does not overshoot; overshooting would clip uint8 at bright edges.
    An image that has this size is returned unchanged.
    """
    if image.shape[:2] == tuple(size):
        return image
    channels = image.shape[-1]
    source = Image.fromarray(image[..., 0] if channels == 1 else image)
    resized = source.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(*size, channels)


def read_unresized(path: Path) -> np.ndarray:
    """Decodes one image file, upright, in its own size: uint8 [H, W, 1] if grey, else [H, W, 3].

    Raises:
      UserError: the file is missing or not an image.
    """
    try:
        return _upright_pixels(path, None)
    except _DECODE_ERRORS as error:
        raise unreadable_file(path, error) from error


def image_header(path: Path) -> tuple[int, int, int]:
    """Returns (H, W, channels) of an upright image file without decoding its pixels.

    The number of channels is 1 for grey files and 3 for all others.

    Raises:
      UserError: the file is missing, empty or not an image.
    """
    try:
        with open_readable(path) as file:
            swaps_sides = _orientation(file) in (5, 6, 7, 8)
            width, height = file.size
            channels = 1 if file.mode in _GREY_MODES else 3
    except _DECODE_ERRORS as error:
        raise unreadable_file(path, error) from error
    return (width, height, channels) if swaps_sides else (height, width, channels)


def _orientation(file: Image.Image) -> int:
    """Returns the orientation in EXIF or else in XMP, as `ImageOps.exif_transpose`; 1 if none."""
    # The method of a PNG would decode its pixels. Pillow itself rotates TIFF files.
    exif = {} if file.format == "TIFF" else Image.Image.getexif(file)
    return exif.get(ExifTags.Base.Orientation, 1)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Returns an 8-bit image; its method `convert` neither clips nor warns."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "I" and image.format == "PPM":  # Pillow scales its samples to 16 bits
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("32-bit pixels, expected 8 or 16 bits")
    if image.mode in ("P", "PA", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("LA") if image.mode == "La" else image
