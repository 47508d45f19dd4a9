"""Intermediate activations selected by submodule name: shapes, values, errors."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.models.efficientnet import EfficientNet, Stage
from ferjax.models.intermediate_activations import capture_activations
from ferjax.models.registry import create_model
from ferjax.models.resnet import ResNet
from ferjax.models.vgg import VGG

# A network, a pattern, and the shapes of the activations that it captures at 32 px.
CASES: dict[str, tuple[Any, str, dict[str, tuple[int, ...]]]] = {
    "resnet": (
        ResNet(7, (1, 1), "basic", widths=(8, 16)),
        r"stem_bn|stage2_block0(/conv1)?",
        {
            "stem_bn": (2, 16, 16, 8),
            "stage2_block0": (2, 4, 4, 16),
            "stage2_block0/conv1": (2, 4, 4, 16),
        },
    ),
    "vgg": (
        VGG(7, (1, 1), widths=(4, 8), head_widths=(6,)),
        r"stage\d|head_dense1",
        {"stage1": (2, 16, 16, 4), "stage2": (2, 8, 8, 8), "head_dense1": (2, 6)},
    ),
    "efficientnet": (
        EfficientNet(7, stages=(Stage(1, 3, 2, 8, 1),), top_width=16),
        r"stage1_block0/se_.*|top_conv",
        {
            "stage1_block0/se_reduce": (2, 8),
            "stage1_block0/se_expand": (2, 32),
            "top_conv": (2, 8, 8, 16),
        },
    ),
    "cnn3": (create_model("cnn3", 7), "bn3|dense", {"bn3": (2, 8, 8, 128), "dense": (2, 256)}),
    "awei": (create_model("awei", 7), "jumper", {"jumper": (2, 1, 1, 512)}),
}
IMAGES = np.random.default_rng(1).random((2, 32, 32, 3), np.float32)


@pytest.mark.parametrize("name", CASES)
def test_captures_the_submodules_that_match_the_pattern(
    name: str, random_variables: Callable[..., Any]
) -> None:
    model, pattern, shapes = CASES[name]
    variables = random_variables(model, 32, 3)

    @jax.jit
    def both(variables: Any, images: jax.Array) -> tuple[Any, Any, Any]:
        plain = model.apply(variables, images, train=False)
        return *capture_activations(model, variables, images, pattern), plain

    logits, activations, plain = both(variables, IMAGES)
    assert {key: value.shape for key, value in activations.items()} == shapes
    np.testing.assert_allclose(logits, plain, atol=1e-5 * np.abs(plain).max(), rtol=0)


def test_the_values_are_the_outputs_of_the_layers(random_variables: Callable[..., Any]) -> None:
    model, _, _ = CASES["vgg"]
    variables = random_variables(model, 32, 3)
    logits, activations = jax.jit(partial(capture_activations, model, pattern="head.*"))(
        variables, IMAGES
    )
    head = variables["params"]["head"]
    hidden = np.maximum(activations["head_dense1"], 0)
    np.testing.assert_allclose(logits, hidden @ head["kernel"] + head["bias"], rtol=1e-4)
    np.testing.assert_array_equal(activations["head"], logits)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("stage1/conv9", "no layer of VGG matches 'stage1/conv9'. Did you mean 'stage1/conv1'"),
        ("stage", "no layer of VGG matches 'stage'. Did you mean 'stage"),
        ("qqqq", "Its top-level layers: stage1, stage2, head_dense1, dropout1, head."),
        ("stage(", "pattern 'stage(' is not a regular expression: "),
    ],
)
def test_an_error_suggests_similar_names(
    pattern: str, words: str, random_variables: Callable[..., Any]
) -> None:
    model, _, _ = CASES["vgg"]
    run = partial(capture_activations, model, pattern=pattern)
    with pytest.raises(UserError) as error:
        jax.eval_shape(run, random_variables(model, 32, 3), IMAGES)
    assert words in str(error.value)
