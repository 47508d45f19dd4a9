"""Batches of several steps: which steps share a call, and what fills the last one."""

from typing import Any

import numpy as np
import pytest

from ferjax.data.pipeline.stacked_batches import stacked_by_call


def numbered(start: int, stop: int) -> Any:
    """Yields batches of two rows that hold the number of their step."""
    for step in range(start, stop):
        yield {"index": np.full(2, step, np.int32), "mask": np.array([True, False])}


@pytest.mark.parametrize(
    ("start", "expected"),
    # Epochs of five steps: 0 to 4 and 5 to 9.
    [
        (0, [([0, 1, 2], 3), ([3, 4, 4], 2), ([5, 6, 7], 3), ([8, 9, 9], 2)]),
        (3, [([3, 4, 4], 2), ([5, 6, 7], 3), ([8, 9, 9], 2)]),
        (6, [([6, 7, 8], 3), ([9, 9, 9], 1)]),
        (10, []),
    ],
)
def test_a_call_ends_with_its_epoch(start: int, expected: list[tuple[list[int], int]]) -> None:
    found = list(stacked_by_call(numbered(start, 10), 3, 5, start))
    assert [(batch["index"][:, 0].tolist(), int(batch["steps"])) for batch in found] == expected
    for batch in found:
        assert batch["index"].shape == batch["mask"].shape == (3, 2)
        assert batch["index"].dtype == batch["steps"].dtype == np.int32
        assert batch["steps"].shape == ()
