"""The logits of an image depend neither on its batch nor on its position in the batch."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.models.registry import create_model
from ferjax.runs.split_evaluator import evaluator
from ferjax.runtime.sharding import data_mesh
from ferjax.specs import InputSpec

COUNT = 11


@pytest.mark.parametrize(
    ("model", "channels", "side"),
    [
        (create_model("cnn6", 7), 1, 48),
        (create_model("base_cnn", 7), 1, 28),
        (create_model("awei", 7, jumper="staged"), 3, 32),
        (create_model("resnet18", 7), 1, 32),
    ],
    ids=["cnn6", "base_cnn", "awei-staged", "resnet18"],
)
def test_logits_do_not_depend_on_the_batch(
    model: Any,
    channels: int,
    side: int,
    make_split: Callable[..., Any],
    random_variables: Callable[..., Any],
) -> None:
    spec = InputSpec((40, 40), side, channels, (0.5,) * channels, (0.25,) * channels)
    variables = random_variables(model, side, channels)
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 40, 40, 1), np.uint8)

    def logits_of(size: int, devices: int) -> Callable[..., np.ndarray]:
        return evaluator(model, spec, data_mesh(jax.devices()[:devices]), size, False)

    # By the batch's size: one program each.
    runs = {size: logits_of(size, devices) for size, devices in ((8, 2), (COUNT, 1), (12, 4))}
    expected = runs[8](variables, make_split(images))
    assert expected.shape == (COUNT, 7)
    for size, evaluate in runs.items():
        logits = evaluate(variables, make_split(images))
        np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
        order = np.random.default_rng(size).permutation(COUNT)
        np.testing.assert_array_equal(evaluate(variables, make_split(images[order])), logits[order])
        # The only image of a padded batch.
        np.testing.assert_array_equal(evaluate(variables, make_split(images[9:10])), logits[9:10])
