"""Random weights for face-api's network."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def face_api_weights() -> dict[str, np.ndarray]:
    """Returns name → weight, in the package's shapes, such that a face changes the answer."""
    rng, channels = np.random.default_rng(0), 3
    weights = {}

    def draw(name: str, *shape: int, inputs: int) -> None:
        values = rng.standard_normal(shape) * np.sqrt(2 / inputs)
        weights[name] = values.astype(np.float32)

    for block, out in enumerate((32, 64, 128, 256)):
        for i in range(4):
            name = f"dense{block}/conv{i}"
            if block or i:
                draw(f"{name}/depthwise_filter", 3, 3, channels, 1, inputs=9)
                draw(f"{name}/pointwise_filter", 1, 1, channels, out, inputs=channels)
            else:
                draw(f"{name}/filters", 3, 3, channels, out, inputs=9 * channels)
            draw(f"{name}/bias", out, inputs=100)
            channels = out
    draw("fc/weights", 256, 7, inputs=256 * 1_000_000)
    draw("fc/bias", 7, inputs=100)
    return weights
