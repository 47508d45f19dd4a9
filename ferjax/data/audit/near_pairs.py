"""Pictures that are nearly the same: close hashes, confirmed on small copies of the pictures."""

import math

import numpy as np

# Hamming distance of 64-bit hashes and correlation of 16×16 thumbnails of what counts as the same
# picture. Looked at in FER2013: two people in one pose, on one background, reach 0.95; one picture
# with a watermark, a crop shifted by a pixel or other light seldom falls below 0.93. Of mirrored
# pairs all 30 of 0.95 or more were looked at and show one picture; at 0.946 the first does not.
DISTANCE, CORRELATION = 8, 0.96
# A thumbnail that varies less, in grey levels, is a plain surface: its hash is noise.
_PLAIN = 2.0
_CHUNK = 1 << 16


def near_pairs(
    hashes: np.ndarray,
    thumbnails: np.ndarray,
    distance: int = DISTANCE,
    correlation: float = CORRELATION,
) -> np.ndarray:
    """Returns the pairs of images that are nearly the same, identical ones among them.

    Images with next to no contrast are near to none.

    Args:
      hashes: uint64 [N], of `perceptual_hash`.
      thumbnails: float32 [N, 256], of the same images.
      distance: most bits that differ, 0 to 63.
      correlation: least correlation of the thumbnails, at most 1.

    Returns:
      int64 [P, 2], positions i < j, in ascending order.
    """
    usable = np.flatnonzero(thumbnails.std(axis=1) >= _PLAIN)
    pairs = usable[close_pairs(hashes[usable], distance)]
    kept = [
        part[_correlations(thumbnails[part[:, 0]], thumbnails[part[:, 1]]) >= correlation]
        for part in np.array_split(pairs, max(1, -(-len(pairs) // _CHUNK)))
    ]
    return np.concatenate(kept)


def mirrored_pairs(
    hashes: np.ndarray,
    mirrored: np.ndarray,
    thumbnails: np.ndarray,
    distance: int = DISTANCE,
    correlation: float = CORRELATION,
) -> np.ndarray:
    """Returns the pairs of images of which one is nearly the other's mirror image.

    A picture that is symmetric is no copy of itself, and two that are more alike as they are than
    mirrored are no mirrored copies: faces are nearly symmetric.

    Args:
      hashes: uint64 [N], of `perceptual_hash`.
      mirrored: uint64 [N], of the same images mirrored left to right.
      thumbnails: float32 [N, 256], of the same images as they are.
      distance: most bits that differ, 0 to 63.
      correlation: least correlation of one thumbnail with the other mirrored, at most 1.

    Returns:
      int64 [P, 2], positions i < j, in ascending order.
    """
    usable = np.flatnonzero(thumbnails.std(axis=1) >= _PLAIN)
    pairs = close_pairs(hashes[usable], distance, mirrored[usable])
    pairs = np.sort(usable[pairs[pairs[:, 0] != pairs[:, 1]]], axis=1)
    pairs = np.unique(pairs, axis=0).reshape(-1, 2)
    a, b = thumbnails[pairs[:, 0]], thumbnails[pairs[:, 1]]
    side = math.isqrt(thumbnails.shape[1])
    turned = _correlations(a, b.reshape(-1, side, side)[:, :, ::-1].reshape(b.shape))
    return pairs[(turned >= correlation) & (turned > _correlations(a, b))]


def close_pairs(hashes: np.ndarray, distance: int, others: np.ndarray | None = None) -> np.ndarray:
    """Returns all pairs of hashes that differ in at most `distance` bits.

    The bits are cut into `distance` + 1 bands: two hashes that near agree in at least one whole
    band, so only those that share a band are compared.

    Args:
      hashes: uint64 [N].
      distance: 0 to 63.
      others: uint64 [M], whose hashes are the second of each pair; None: `hashes` itself.

    Returns:
      int64 [P, 2], positions, in ascending order; i < j where `others` is None.
    """
    edges = np.arange(distance + 2) * 64 // (distance + 1)
    found = [np.zeros((0, 2), np.int64)]
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        mine = _by_band(hashes, low, high)
        theirs = mine if others is None else _by_band(others, low, high)
        for key in mine.keys() & theirs.keys():
            rows, columns = mine[key], theirs[key]
            if others is None and len(rows) == 1:
                continue
            values = (hashes if others is None else others)[columns]
            step = max(1, _CHUNK // len(columns))
            for start in range(0, len(rows), step):
                part = rows[start : start + step]
                near = np.bitwise_count(hashes[part][:, None] ^ values) <= distance
                # Few are: finding them in the flat array is twenty times as fast as by row.
                row, column = np.divmod(np.flatnonzero(near), len(columns))
                pairs = np.stack([part[row], columns[column]], axis=1)
                found.append(pairs if others is not None else pairs[pairs[:, 0] < pairs[:, 1]])
    return np.unique(np.concatenate(found), axis=0)


def _by_band(hashes: np.ndarray, low: int, high: int) -> dict[int, np.ndarray]:
    """Returns bits `low` to `high` of the hashes → ascending positions of those that have them."""
    band = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
    order = np.argsort(band, kind="stable")
    keys, starts = np.unique(band[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    return {
        key: order[start:end]
        for key, start, end in zip(keys.tolist(), starts.tolist(), ends[: len(keys)], strict=True)
    }


def connected(count: int, pairs: np.ndarray) -> np.ndarray:
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
    """Returns the correlation of each row of float [P, D] with the same row of another."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    return (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
