"""What a run takes of weights: everything but the head, hidden layers where all of them fit."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.convert.weights import Pretrained
from ferjax.data.splits.split import Split
from ferjax.errors import UserError
from ferjax.models.registry import abstract_variables
from ferjax.runs import pretrained_weights
from ferjax.runs.input_spec import input_spec
from ferjax.runs.pretrained_values import (
    InitialWeights,
    initial_weights_from_json,
    initial_weights_to_json,
)
from ferjax.runs.pretrained_weights import load_initial_weights
from ferjax.specs import InputSpec

CAFFE = InputSpec((224, 224), 224, 3, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bgr", "bicubic")
SOURCE = {"kind": "keras", "url": "https://a.b/c.h5", "sha256": "12", "license": "MIT"}


def weights_of(model: str, **fields: Any) -> Pretrained:
    """Returns weights whose arrays take no memory."""
    shapes = abstract_variables(model, 1000, **fields)
    variables = {path: np.broadcast_to(np.float32(0), shape) for path, shape in shapes.items()}
    return Pretrained("a.tag", model, variables, fields, CAFFE, 1000, SOURCE, ("a note",))


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., InitialWeights]:
    """Returns a function (weights, fields of the run) → its start."""

    def make(weights: Pretrained, guide: str | None = None, **fields: Any) -> InitialWeights:
        monkeypatch.setattr(pretrained_weights, "load_pretrained", lambda *_, **__: weights)
        model = "awei" if guide else weights.model
        given: dict[str, Any] = dict(model=model, guide=guide, workdir=str(tmp_path))
        found = load_initial_weights(
            TrainConfig(pretrained="imagenet", **given), fields, ("fear", "anger")
        )
        assert found
        return found

    return make


@pytest.mark.parametrize(
    ("model", "fields", "new"),
    [
        ("resnet18", {}, "head"),
        ("resnet18", {"head_widths": (64, 32)}, "head_dense1, head_dense2, head"),
        ("efficientnet_b0", {"dropout": 0.5}, "head"),
        ("vgg16", {}, "head"),
        ("vgg16", {"pooling": "mean", "head_widths": ()}, "head"),
        ("vgg16", {"pooling": "mean", "head_widths": (4096,)}, "head_dense1, head"),
        ("vgg16", {"head_widths": (4096, 512)}, "head_dense1, head_dense2, head"),
    ],
)
def test_the_head_is_new_and_hidden_layers_are_where_one_does_not_fit(
    model: str, fields: dict[str, Any], new: str, start: Callable[..., InitialWeights]
) -> None:
    found = start(weights_of(model), **fields)
    target = abstract_variables(model, 7, **fields)
    absent = {path.split("/")[1] for path in target if path not in found.variables}
    assert ", ".join([*sorted(absent - {"head"}), "head"]) == new
    assert set(found.variables) <= set(target)
    for path, leaf in found.variables.items():
        assert leaf.shape == target[path]
    assert found.origin[-1] == f"new, at random: {new}"
    assert {"license: MIT", "a note", "sha256 12"} <= set(found.origin)
    assert not any("citation" in line for line in found.origin)


def test_a_trunk_of_another_shape_is_refused(start: Callable[..., InitialWeights]) -> None:
    weights = weights_of("resnet18")
    short = {k: v for k, v in weights.variables.items() if "stage4_block1/conv2" not in k}
    with pytest.raises(UserError, match="stage4_block1/conv2/kernel first"):
        start(dataclasses.replace(weights, variables=short))


def test_a_start_survives_the_checkpoint_without_its_values(
    start: Callable[..., InitialWeights],
) -> None:
    fields = {"conv_bias": True, "stride_on_3x3": False}
    for found in (start(weights_of("resnet50", **fields)), start(weights_of("vgg16"), "vgg16")):
        kept = initial_weights_from_json(initial_weights_to_json(found))
        assert kept == dataclasses.replace(found, variables={})


STATISTICS = ((0.25, 0.5, 0.75), (0.0, 0.0, 0.0))


@pytest.fixture
def train(make_split: Callable[..., Split]) -> Split:
    """Returns a split of two flat images, whose channels' means lie at 1/4, 1/2 and 3/4."""
    image = np.full((2, 8, 6, 3), 255.0) * STATISTICS[0]
    image[1] += 51
    image[0] -= 51
    return make_split(image.round().astype(np.uint8))


@pytest.mark.parametrize(
    ("normalization", "mean", "std"),
    [
        (None, CAFFE.mean, CAFFE.std),
        ("weights", CAFFE.mean, CAFFE.std),
        ("unit", (0, 0, 0), (1, 1, 1)),
        # In the network's order: blue first.
        ("dataset", (0.75, 0.5, 0.25), (0.2, 0.2, 0.2)),
    ],
)
def test_the_input_is_the_weights_but_for_what_the_config_says(
    normalization: str | None, mean: Any, std: Any, train: Split
) -> None:
    config = TrainConfig(image_size=64, normalization=normalization)
    spec = input_spec(config, train, 3, InitialWeights({}, {}, CAFFE, ()))
    assert (spec.storage, spec.size, spec.channels) == ((8, 6), 64, 3)
    assert (spec.order, spec.interpolation, spec.guide) == ("bgr", "bicubic", None)
    np.testing.assert_allclose(spec.mean, mean, atol=0.01)
    np.testing.assert_allclose(spec.std, std, atol=0.01)


@pytest.mark.parametrize("normalization", [None, "unit", "dataset"])
def test_a_guides_weights_decide_about_the_guide_alone(
    normalization: str | None, train: Split
) -> None:
    config = TrainConfig(image_size=64, normalization=normalization)
    alone = input_spec(config, train, 3, None)
    spec = input_spec(config, train, 3, InitialWeights({}, {}, CAFFE, (), guides=True))
    assert dataclasses.replace(spec, guide=None) == alone
    assert spec.guide == dataclasses.replace(CAFFE, storage=(8, 6), size=64)
    weights = dataclasses.replace(config, normalization="weights")
    with pytest.raises(UserError, match="starts from no weights"):
        input_spec(weights, train, 3, InitialWeights({}, {}, CAFFE, (), guides=True))
