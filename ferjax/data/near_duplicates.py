"""Pictures that are nearly the same: close hashes, confirmed on small copies of the pictures."""

import numpy as np

# Hamming distance of 64-bit hashes and correlation of 16×16 thumbnails of what counts as the same
# picture. Looked at in FER2013: two people in one pose, on one background, reach 0.95; one picture
# with a watermark, a crop shifted by a pixel or other light seldom falls below 0.93.
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


def close_pairs(hashes: np.ndarray, distance: int) -> np.ndarray:
    """Returns all pairs of hashes that differ in at most `distance` bits.

    The bits are cut into `distance` + 1 bands: two hashes that near agree in at least one whole
    band, so only those that share a band are compared.

    Args:
      hashes: uint64 [N].
      distance: 0 to 63.

    Returns:
      int64 [P, 2], positions i < j, in ascending order.
    """
    edges = np.arange(distance + 2) * 64 // (distance + 1)
    found = [np.zeros((0, 2), np.int64)]
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(band, kind="stable")
        key, value = band[order], hashes[order]
        first = np.arange(len(hashes))
        # Sorted, so whoever shares its band with the neighbour at `step` shares it with all nearer.
        for step in range(1, len(hashes)):
            first = first[: np.searchsorted(first, len(hashes) - step)]
            first = first[key[first] == key[first + step]]
            if not first.size:
                break
            near = np.bitwise_count(value[first] ^ value[first + step]) <= distance
            found.append(np.stack([order[first[near]], order[first[near] + step]], axis=1))
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


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
