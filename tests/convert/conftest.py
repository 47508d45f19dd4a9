"""Networks of other libraries, whose weights the converters take in."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def torchvision_models() -> Any:
    """Returns torchvision.models; timm and transformers import beside it from then on."""
    torch = pytest.importorskip("torch")
    try:
        return pytest.importorskip("torchvision.models")
    except RuntimeError:
        # A wheel built for CUDA lacks two operators beside a CPU torch; declaring them is enough.
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        module = pytest.importorskip("torchvision.models")
        module.operators = library  # They live as long as it does.
        return module


@pytest.fixture(scope="session")
def random_state() -> Callable[..., dict[str, np.ndarray]]:
    """Returns a function (shapes by key) → random float32 arrays."""

    def draw(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        return {key: rng.standard_normal(shape, np.float32) for key, shape in shapes.items()}

    return draw
