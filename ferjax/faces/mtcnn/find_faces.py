"""The cascade of MTCNN: from an image to boxes, probabilities and five landmarks.

Thresholds, scales and rounding are those of facenet-pytorch 2.6.0, so that its weights find the
same faces.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.faces.mtcnn.area_resampling import resample_crops, summed_area
from ferjax.faces.mtcnn.boxes import inside, moved, squared, strongest
from ferjax.faces.mtcnn.networks import Parameters, locate, propose, refine
from ferjax.runtime.programs.compiler_options import compiled_forward

# Least probability of a face after each network.
THRESHOLDS = (0.6, 0.7, 0.7)
# Side of the window of the first network, and the ratio of each scale to the previous one.
_WINDOW, _FACTOR = 12, 0.709
# The first network gets tiles of one size: an image of any size is cut into tiles, so that only
# their number decides what is compiled. A tile has 32 windows a side; the next one begins 64 pixels
# further.
_TILE, _TILE_STEP = 74, 64
_MOST_TILES, _MOST_CROPS = 32, 64


@dataclass(frozen=True)
class FoundFaces:
    """The faces of an image, the largest first.

    Attributes:
      boxes: float32 [N, 4], (left, top, right, bottom) in pixels; they may reach beyond the image.
      scores: float32 [N], probabilities, 0 to 1.
      landmarks: float32 [N, 5, 2], (x, y) in pixels of the eyes, the nose and the corners of the
        mouth; left before right in the image.
    """

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray


@dataclass(frozen=True)
class Level:
    """An image at one scale, in tiles.

    Attributes:
      scale: its size over that of the image.
      size: (height, width) in pixels.
      corners: (row, column) of the first pixel of each tile.
      tiles: float32 [N, S, S, 3], and how many rows and columns of each are no padding, int32 [N].
    """

    scale: float
    size: tuple[int, int]
    corners: list[tuple[int, int]]
    tiles: tuple[np.ndarray, np.ndarray, np.ndarray]


def find_faces(parameters: Parameters, image: np.ndarray, smallest: int = 20) -> FoundFaces:
    """Returns the faces of an image.

    Args:
      parameters: the parameters of the three networks.
      image: uint8 [H, W, 3], RGB.
      smallest: least side of a face in pixels, at least 12.
    """
    table = summed_area(image)
    boxes = _proposals(parameters, table, smallest)
    crops, boxes = _crops(table, boxes, 24)
    scores, offsets = _in_batches(_refine, parameters, crops)
    kept = np.flatnonzero(scores > THRESHOLDS[1])
    kept = kept[strongest(boxes[kept], scores[kept], 0.7)]
    boxes = squared(moved(boxes[kept], offsets[kept]))
    crops, boxes = _crops(table, boxes, 48)
    scores, offsets, points = _in_batches(_locate, parameters, crops)
    kept = np.flatnonzero(scores > THRESHOLDS[2])
    boxes, scores, offsets, points = boxes[kept], scores[kept], offsets[kept], points[kept]
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    landmarks = (
        points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + boxes[:, None, :2] - 1
    )
    boxes = moved(boxes, offsets)
    kept = strongest(boxes, scores, 0.7, of_smaller=True)
    largest_first = np.argsort(-np.prod(boxes[kept, 2:] - boxes[kept, :2], 1), kind="stable")
    kept = kept[largest_first]
    return FoundFaces(boxes[kept], scores[kept], landmarks[kept])


def _proposals(parameters: Parameters, table: np.ndarray, smallest: int) -> np.ndarray:
    """Returns float32 [N, 4], squares that the first network detects as faces at any scale."""
    proposals, waiting_levels = [], list[Level]()
    for scale in _scales(table, smallest):
        waiting_levels.append(_level(table, scale))
        # Scales with few tiles share one call; the scales of a large photograph have one each.
        if sum(len(level.corners) for level in waiting_levels) >= _MOST_TILES:
            proposals += _boxes_of_levels(parameters, waiting_levels)
            waiting_levels = []
    proposals += _boxes_of_levels(parameters, waiting_levels)
    boxes, scores, offsets = (np.concatenate(parts) for parts in zip(*proposals, strict=True))
    kept = strongest(boxes, scores, 0.7)
    return squared(moved(boxes[kept], offsets[kept], extent=0))


def _scales(table: np.ndarray, smallest: int) -> Iterator[float]:
    """Yields the scales of the pyramid; at least the first, also for a small image."""
    scale = _WINDOW / smallest
    shorter = (min(table.shape[:2]) - 1) * scale
    yield scale
    while (shorter := shorter * _FACTOR) >= _WINDOW:
        scale *= _FACTOR
        yield scale


def _level(table: np.ndarray, scale: float) -> Level:
    """Returns the image at one scale."""
    height, width = (int(n * scale + 1) for n in (table.shape[0] - 1, table.shape[1] - 1))
    whole_image = np.array([[0, 0, table.shape[1] - 1, table.shape[0] - 1]])
    image = resample_crops(table, whole_image, height, width)[0]
    corners = [(y, x) for y in _tile_starts(height) for x in _tile_starts(width)]
    return Level(scale, (height, width), corners, _tiles(image, corners))


def _boxes_of_levels(
    parameters: Parameters, levels: Sequence[Level]
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Returns the result of `_boxes_of_level` for each of several scales of an image."""
    if not levels:
        return []
    parts = zip(*(level.tiles for level in levels), strict=True)
    scores, offsets = _in_batches(_propose_tiles, parameters, *map(np.concatenate, parts))
    ends = np.cumsum([len(level.corners) for level in levels])[:-1]
    outputs = zip(levels, np.split(scores, ends), np.split(offsets, ends), strict=True)
    return [_boxes_of_level(*each) for each in outputs]


def _boxes_of_level(
    level: Level, scores: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns boxes [N, 4], probabilities [N] and offsets [N, 4] of the windows of one scale.

    Args:
      level: the image at this scale.
      scores: float32 [tiles, rows, columns], probabilities of their windows.
      offsets: float32 [tiles, rows, columns, 4].
    """
    (height, width), scale = level.size, level.scale
    tile, row, column = np.nonzero(scores >= THRESHOLDS[0])
    y, x = np.array(level.corners)[tile].T + 2 * np.stack([row, column])
    inside_image = (y // 2 < (height - 9) // 2) & (x // 2 < (width - 9) // 2)
    window_index = tile[inside_image], row[inside_image], column[inside_image]
    first = np.stack([x, y], 1)[inside_image].astype(np.float32) + 1
    corners_in_image = np.concatenate([first, first + _WINDOW - 1], 1) / np.float32(scale)
    boxes = np.floor(corners_in_image)
    kept = strongest(boxes, scores[window_index], 0.5)
    return boxes[kept], scores[window_index][kept], offsets[window_index][kept]


def _tile_starts(length: int) -> range:
    """Returns the first rows, or columns, of the tiles of an image."""
    return range(0, max(length - 10, 1), _TILE_STEP)


def _tiles(
    image: np.ndarray, corners: list[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns tiles float32 [N, S, S, 3], and how many rows and columns of each are no padding."""
    tiles = np.zeros((len(corners), _TILE, _TILE, 3), np.float32)
    real_sizes = np.zeros((2, len(corners)), np.int32)
    for number, (y, x) in enumerate(corners):
        part = image[y : y + _TILE, x : x + _TILE]
        tiles[number, : part.shape[0], : part.shape[1]] = part
        real_sizes[:, number] = part.shape[:2]
    return tiles, real_sizes[0], real_sizes[1]


def _crops(table: np.ndarray, boxes: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns crops float32 [N, side, side, 3] and their boxes, without those outside the image."""
    pixels = inside(boxes, table.shape[0] - 1, table.shape[1] - 1)
    full = (pixels[:, 2:] > pixels[:, :2]).all(1)
    return resample_crops(table, pixels[full], side, side), boxes[full]


def _in_batches(
    network: Callable[..., tuple[jax.Array, ...]],
    parameters: Parameters,
    images: np.ndarray,
    *sizes: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Returns the outputs of a network for all rows; batches are padded to a power of two."""
    batch_size = _MOST_TILES if sizes else _MOST_CROPS
    inputs, rows, batch_outputs = (images, *sizes), len(images), []
    for start in range(0, max(rows, 1), batch_size):
        batch = [array[start : start + batch_size] for array in inputs]
        size = 1 << max(len(batch[0]) - 1, 0).bit_length()
        padded = [np.pad(a, [(0, size - len(a))] + [(0, 0)] * (a.ndim - 1)) for a in batch]
        outputs = _compiled(network)(parameters, *padded)
        batch_outputs.append([np.asarray(output)[: len(batch[0])] for output in outputs])
    return tuple(np.concatenate(parts) for parts in zip(*batch_outputs, strict=True))


def compile_every_size(parameters: Parameters) -> None:
    """Compiles the networks for every number of tiles and crops, so that no later image waits."""
    tiles, crops = (
        [1 << k for k in range(limit.bit_length())] for limit in (_MOST_TILES, _MOST_CROPS)
    )
    for count in tiles:
        sizes = np.full(count, _TILE, np.int32)
        images = np.zeros((count, _TILE, _TILE, 3), np.float32)
        _in_batches(_propose_tiles, parameters, images, sizes, sizes)
    for count in crops:
        _in_batches(_refine, parameters, np.zeros((count, 24, 24, 3), np.float32))
        _in_batches(_locate, parameters, np.zeros((count, 48, 48, 3), np.float32))


@functools.cache
def _compiled(network: Callable[..., tuple[jax.Array, ...]]) -> Callable[..., Any]:
    """Returns the jitted network; not made at import, which must not start a JAX backend."""
    return compiled_forward(network)


def _scaled(images: Any) -> jax.Array:
    """Returns pixels 0 to 255 scaled to -1 to 1, the input range of the networks."""
    return (jnp.asarray(images) - 127.5) / 128


def _propose_tiles(
    parameters: Parameters, tiles: jax.Array, rows: jax.Array, columns: jax.Array
) -> tuple[jax.Array, jax.Array]:
    return propose(parameters, _scaled(tiles), rows, columns)


def _refine(parameters: Parameters, crops: jax.Array) -> tuple[jax.Array, jax.Array]:
    return refine(parameters, _scaled(crops))


def _locate(parameters: Parameters, crops: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    return locate(parameters, _scaled(crops))
