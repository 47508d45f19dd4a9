"""The logits of an image depend neither on its batch nor on its position in the batch."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.models.registry import create_model
from ferjax.runs.task import evaluator
from ferjax.runtime.sharding import data_mesh
from ferjax.specs import InputSpec

COUNT = 11


@pytest.mark.parametrize(
    ("name", "fields", "side"),
    [
        ("cnn6", {}, 48),
        ("base_cnn", {}, 28),
        ("awei", {"jumper": "staged"}, 32),
        ("resnet18", {}, 32),
    ],
)
def test_logits_do_not_depend_on_the_batch(
    name: str,
    fields: dict[str, Any],
    side: int,
    make_split: Callable[..., Any],
    random_variables: Callable[..., Any],
) -> None:
    channels = 3 if name == "awei" else 1
    spec = InputSpec((40, 40), side, channels, (0.5,) * channels, (0.25,) * channels)
    model = create_model(name, 7, **fields)
    variables = random_variables(model, side, channels)
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 40, 40, 1), np.uint8)

    def logits_of(size: int, devices: int) -> Callable[..., np.ndarray]:
        return evaluator(model, spec, data_mesh(jax.devices()[:devices]), size, False)

    expected = logits_of(8, 2)(variables, make_split(images))
    assert expected.shape == (COUNT, 7)
    for size, devices in ((8, 2), (COUNT, 1), (12, 4)):
        evaluate = logits_of(size, devices)
        logits = evaluate(variables, make_split(images))
        np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
        order = np.random.default_rng(size).permutation(COUNT)
        np.testing.assert_array_equal(evaluate(variables, make_split(images[order])), logits[order])
        # The only image of a padded batch.
        np.testing.assert_array_equal(evaluate(variables, make_split(images[9:10])), logits[9:10])
