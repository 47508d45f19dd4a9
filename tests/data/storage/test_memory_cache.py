"""The memory cache returns what the split returns, and reads each image once."""

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ferjax.data.splits.split import Split
from ferjax.data.storage.memory_cache import cached

N = 20
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 4, 5, 3), np.uint8)


def counting_split(positions: list[int]) -> Split:
    def read(indices: np.ndarray) -> np.ndarray:
        positions.extend(np.asarray(indices).tolist())
        return IMAGES[indices]

    return Split("train", np.zeros(N, np.int32), tuple(map(str, range(N))), (4, 5, 3), read)


@given(st.lists(st.lists(st.integers(0, N - 1), max_size=8), max_size=6))
def test_same_pixels_each_image_read_once(batches: list[list[int]]) -> None:
    positions: list[int] = []
    split = cached(counting_split(positions))
    for batch in batches:
        np.testing.assert_array_equal(split.read(np.array(batch, int)), IMAGES[batch])
    assert sorted(positions) == sorted({i for batch in batches for i in batch})


def test_callers_cannot_write_into_the_cache() -> None:
    split = cached(counting_split([]))
    split.read(np.arange(N))[:] = 0
    np.testing.assert_array_equal(split.read(np.arange(N)), IMAGES)


def test_over_the_limit_the_split_is_unchanged() -> None:
    split = counting_split([])
    assert cached(split, limit_bytes=IMAGES.nbytes - 1) is split
    assert cached(split, limit_bytes=IMAGES.nbytes) is not split


def test_two_threads_read_the_same_pixels() -> None:
    split = cached(counting_split([]))
    right: list[bool] = []

    def work(seed: int) -> None:
        order = np.random.default_rng(seed)
        for _ in range(200):
            batch = order.integers(0, N, 6)
            right.append(np.array_equal(split.read(batch), IMAGES[batch]))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(right) == 400
    assert all(right)
