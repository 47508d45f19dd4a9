"""Exact overlap against a comparison of all pairs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ferjax.data.audit import split_overlap
from ferjax.data.audit.split_overlap import exact_overlap
from ferjax.data.splits.split import Split


def split_of(images: np.ndarray) -> Split:
    n = len(images)
    return Split("s", np.zeros(n, np.int32), ("",) * n, images.shape[1:], lambda i: images[i])


@given(st.lists(st.integers(0, 9), max_size=12), st.lists(st.integers(0, 9), max_size=12))
def test_matches_comparing_all_pairs(a: list[int], b: list[int]) -> None:
    pool = np.random.default_rng(0).integers(0, 256, (10, 3, 3, 1), np.uint8)
    first, second = pool[np.array(a, int)], pool[np.array(b, int)]
    expected = tuple(i for i, y in enumerate(second) if any(np.array_equal(x, y) for x in first))
    assert exact_overlap(split_of(first), split_of(second)) == expected


def test_chunks_and_last_pixels_count() -> None:
    n = split_overlap._CHUNK + 3
    images = np.zeros((n, 2, 2, 1), np.uint8)
    images[:, 0, 0, 0], images[:, 1, 1, 0] = np.arange(n) // 256, np.arange(n) % 256
    assert exact_overlap(split_of(images[::2]), split_of(images)) == tuple(range(0, n, 2))


def test_shapes_that_differ_share_nothing() -> None:
    zeros = np.zeros((1, 2, 2, 1), np.uint8)
    assert exact_overlap(split_of(zeros), split_of(zeros.reshape(1, 1, 4, 1))) == ()
