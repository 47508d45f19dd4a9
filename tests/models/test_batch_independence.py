"""An image's logits do not depend on the batch it came in, nor on where in it.

To the bit, but for maps smaller than the kernel: their product stacks pixels over the batch
(`ops.small_map_conv`), and the last rows of a matrix are summed in another order.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.models.registry import create_model
from ferjax.sharding import data_mesh
from ferjax.specs import InputSpec
from ferjax.task import evaluator

COUNT = 11


@pytest.mark.parametrize(
    ("name", "fields", "side", "rounding"),
    [
        ("cnn6", {}, 48, 0.0),
        ("base_cnn", {}, 28, 0.0),
        ("awei", {"jumper": "staged"}, 64, 0.0),
        ("awei", {"jumper": "staged"}, 32, 1e-5),
        ("resnet18", {}, 96, 0.0),
        ("resnet18", {}, 32, 1e-5),
    ],
)
def test_logits_do_not_depend_on_the_batch(
    name: str,
    fields: dict[str, Any],
    side: int,
    rounding: float,
    make_split: Callable[..., Any],
    random_variables: Callable[..., Any],
) -> None:
    channels = 3 if name == "awei" else 1
    spec = InputSpec((40, 40), side, channels, (0.5,) * channels, (0.25,) * channels)
    model = create_model(name, 7, **fields)
    variables = random_variables(model, side, channels)
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 40, 40, 1), np.uint8)
    mesh = data_mesh(jax.devices()[:2])

    logits_of = evaluator(model, spec, mesh, 8, False)
    logits = logits_of(variables, make_split(images))
    assert logits.shape == (COUNT, 7)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(COUNT)
        assert_near(logits_of(variables, make_split(images[order])), logits[order], rounding)
    # Alone in a padded batch.
    assert_near(logits_of(variables, make_split(images[9:10])), logits[9:10], rounding)

    for batch_size, devices in ((2, 1), (12, 4)):
        other = evaluator(model, spec, data_mesh(jax.devices()[:devices]), batch_size, False)
        assert_near(other(variables, make_split(images)), logits, 1e-5)


def assert_near(found: np.ndarray, expected: np.ndarray, rounding: float) -> None:
    """Within a share of the largest logit; to the bit at 0."""
    np.testing.assert_allclose(found, expected, atol=rounding * np.abs(expected).max(), rtol=0)
