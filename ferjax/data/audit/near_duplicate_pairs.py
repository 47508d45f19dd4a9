"""Finds pairs of near and mirrored duplicates: close perceptual hashes, similar thumbnails."""

import math

import numpy as np

# Near duplicates have at most this Hamming distance of their 64-bit hashes and at least this
# correlation of their 16×16 thumbnails. Checked by eye in FER2013: two subjects in one pose on one
# background reach 0.95. One image with a watermark, shifted by a pixel or in other light is seldom
# below 0.93. All 30 mirrored pairs of 0.95 or more show one image; the first false pair has 0.946.
DISTANCE, CORRELATION = 8, 0.96
# Thumbnails with a smaller standard deviation, in grey levels, are plain; their hash is noise.
_PLAIN = 2.0
_CHUNK = 1 << 16


def find_near_pairs(
    hashes: np.ndarray,
    thumbnails: np.ndarray,
    distance: int = DISTANCE,
    correlation: float = CORRELATION,
) -> np.ndarray:
    """Returns the pairs of images that are near duplicates, including identical images.

    Images with almost no contrast are never near duplicates.

    Args:
      hashes: uint64 [N], as `perceptual_hash` returns them.
      thumbnails: float32 [N, 256], of the same images.
      distance: largest number of different bits, 0 to 63.
      correlation: smallest correlation of the thumbnails, at most 1.

    Returns:
      int64 [P, 2], positions i < j, in ascending order.
    """
    usable = np.flatnonzero(thumbnails.std(axis=1) >= _PLAIN)
    pairs = usable[close_pairs(hashes[usable], distance)]
    near_pairs = [
        part[_correlations(thumbnails[part[:, 0]], thumbnails[part[:, 1]]) >= correlation]
        for part in np.array_split(pairs, max(1, -(-len(pairs) // _CHUNK)))
    ]
    return np.concatenate(near_pairs)


def find_mirrored_pairs(
    hashes: np.ndarray,
    mirrored: np.ndarray,
    thumbnails: np.ndarray,
    distance: int = DISTANCE,
    correlation: float = CORRELATION,
) -> np.ndarray:
    """Returns the pairs of images that are nearly mirror images of each other.

    A symmetric image is not a copy of itself. Two images that are more similar unmirrored than
    mirrored are not mirrored duplicates, because faces are nearly symmetric.

    Args:
      hashes: uint64 [N], as `perceptual_hash` returns them.
      mirrored: uint64 [N], hashes of the same images mirrored left to right.
      thumbnails: float32 [N, 256], of the unmirrored images.
      distance: largest number of different bits, 0 to 63.
      correlation: smallest correlation of one thumbnail with the mirrored other one, at most 1.

    Returns:
      int64 [P, 2], positions i < j, in ascending order.
    """
    usable = np.flatnonzero(thumbnails.std(axis=1) >= _PLAIN)
    pairs = close_pairs(hashes[usable], distance, mirrored[usable])
    pairs = np.sort(usable[pairs[pairs[:, 0] != pairs[:, 1]]], axis=1)
    pairs = np.unique(pairs, axis=0).reshape(-1, 2)
    a, b = thumbnails[pairs[:, 0]], thumbnails[pairs[:, 1]]
    side = math.isqrt(thumbnails.shape[1])
    mirrored_correlation = _correlations(a, b.reshape(-1, side, side)[:, :, ::-1].reshape(b.shape))
    return pairs[
        (mirrored_correlation >= correlation) & (mirrored_correlation > _correlations(a, b))
    ]


def close_pairs(hashes: np.ndarray, distance: int, others: np.ndarray | None = None) -> np.ndarray:
    """Returns all pairs of hashes that differ in at most `distance` bits.

    The bits are divided into `distance` + 1 bands. Two hashes that are this close agree in at least
    one whole band, so only hashes that share a band are compared.

    Args:
      hashes: uint64 [N].
      distance: 0 to 63.
      others: uint64 [M], the hashes that are second in each pair. None: `hashes` itself.

    Returns:
      int64 [P, 2], positions, in ascending order; i < j where `others` is None.
    """
    edges = np.arange(distance + 2) * 64 // (distance + 1)
    pair_blocks = [np.zeros((0, 2), np.int64)]
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        bands = _positions_by_band(hashes, low, high)
        other_bands = bands if others is None else _positions_by_band(others, low, high)
        for key in bands.keys() & other_bands.keys():
            rows, columns = bands[key], other_bands[key]
            if others is None and len(rows) == 1:
                continue
            column_hashes = (hashes if others is None else others)[columns]
            step = max(1, _CHUNK // len(columns))
            for start in range(0, len(rows), step):
                row_part = rows[start : start + step]
                near = np.bitwise_count(hashes[row_part][:, None] ^ column_hashes) <= distance
                # Few pairs are near, and then np.flatnonzero is 20 times as fast as np.nonzero.
                row, column = np.divmod(np.flatnonzero(near), len(columns))
                pairs = np.stack([row_part[row], columns[column]], axis=1)
                pair_blocks.append(
                    pairs if others is not None else pairs[pairs[:, 0] < pairs[:, 1]]
                )
    return np.unique(np.concatenate(pair_blocks), axis=0)


def _positions_by_band(hashes: np.ndarray, low: int, high: int) -> dict[int, np.ndarray]:
    """Returns value of bits `low` to `high` → ascending positions of hashes with this value."""
    band = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
    order = np.argsort(band, kind="stable")
    keys, starts = np.unique(band[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    return {
        key: order[start:end]
        for key, start, end in zip(keys.tolist(), starts.tolist(), ends[: len(keys)], strict=True)
    }


def connected_components(count: int, pairs: np.ndarray) -> np.ndarray:
    """Returns int64 [count]: the smallest member of each node's component in the graph `pairs`.

    Args:
      count: number of nodes.
      pairs: int [P, 2], edges.
    """
    root = np.arange(count)
    while True:
        least = root[pairs].min(axis=1, initial=count)
        np.minimum.at(root, root[pairs].ravel(), np.repeat(least, 2))
        shorter = root[root]
        if (shorter == root).all() and (root[pairs[:, 0]] == root[pairs[:, 1]]).all():
            return root
        root = shorter


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns float [P]: the correlation of each row of `a` with that row of `b`, float [P, D]."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    return (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
