"""Mean colours of parts of an image, through its summed-area table.

An output pixel is the mean of all pixels that its cell touches, as in adaptive average pooling and
torch's `interpolate(mode="area")`. One table serves every scale of a pyramid and every crop.
"""

import numpy as np


def summed_area(image: np.ndarray) -> np.ndarray:
    """Returns uint32 [H + 1, W + 1, C]: sums of all pixels above and left, modulo 2^32.

    Differences of entries are exact for parts of up to 16 million pixels, whatever the image's
    size.

    Args:
      image: uint8 [H, W, C].
    """
    height, width, channels = image.shape
    # Channel by channel and row by row, NumPy adds neighbours in memory, which is four times as
    # fast.
    table = np.zeros((channels, height + 1, width + 1), np.uint32)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    np.cumsum(planes, axis=2, dtype=np.uint32, out=table[:, 1:, 1:])
    for row in range(1, height):
        table[:, row + 1] += table[:, row]
    return table.transpose(1, 2, 0)


def resample_crops(table: np.ndarray, crops: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns float32 [N, height, width, C], 0 to 255: crops of one image, each resized by area.

    Args:
      table: from `summed_area`.
      crops: int [N, 4], (left, top, right, bottom) in pixels, inside the image, right and bottom
        excluded; no crop is empty.
      height: rows of the result.
      width: columns of the result.
    """
    left, top, right, bottom = crops.T
    y0, y1 = _cells(top, bottom, height)
    x0, x1 = _cells(left, right, width)

    def table_at(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return table[y[:, :, None], x[:, None, :]]

    sums = table_at(y1, x1) - table_at(y0, x1) - table_at(y1, x0) + table_at(y0, x0)
    pixels = (y1 - y0)[:, :, None, None] * (x1 - x0)[:, None, :, None]
    return sums.astype(np.float32) / pixels.astype(np.float32)


def _cells(first: np.ndarray, end: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns int [N, count] first pixels and ends of the cells of intervals of pixels."""
    length, cell = (end - first)[:, None], np.arange(count)
    starts = first[:, None] + cell * length // count
    return starts, first[:, None] - (-(cell + 1) * length // count)
