"""Faces of two classes that any network tells apart: dark ones and bright ones."""

import numpy as np
import pytest

from ferjax.bench.speedrun.faces import SpeedFaces


def _split(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 2).astype(np.int32)
    noise = rng.integers(0, 60, (count, 48, 48, 1))
    return (noise + 180 * labels[:, None, None, None]).astype(np.uint8), labels


@pytest.fixture(scope="session")
def dark_and_bright() -> SpeedFaces:
    """Returns 50 training and 21 test faces."""
    return SpeedFaces(*_split(50, 0), *_split(21, 1), 2)
