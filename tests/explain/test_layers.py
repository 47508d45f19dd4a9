"""Which layers have a map, which is explained by default, and where their cells lie."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn

from ferjax.errors import UserError
from ferjax.explain.cell_centres import Axis, cell_centres, enlarge
from ferjax.explain.layers import default_layer, find_layer, layer_maps, modules_in_order
from ferjax.models.registry import MODELS, create_model
from ferjax.specs import InputSpec

# Network, its fields and side → the default layer of Grad-CAM and of LayerCAM.
DEFAULTS = [
    ("awei", {"jumper": "none"}, 128, "conv5", "conv4"),
    ("awei", {"jumper": "input"}, 128, "conv5", "conv4"),
    ("awei", {"jumper": "conv1"}, 128, "conv5", "conv4"),
    ("awei", {"jumper": "staged"}, 128, "conv5", "conv4"),
    ("awei", {"jumper": "double"}, 64, "conv4", "conv3"),
    ("awei", {"jumper": "staged", "guide": "vgg16"}, 224, "conv5", "conv5"),
    ("base_cnn", {}, 48, "conv2", "conv2"),
    ("cnn3", {}, 48, "bn3", "bn3"),
    ("cnn4", {}, 48, "bn4", "bn3"),
    ("cnn5", {}, 48, "bn4", "bn3"),
    ("cnn6", {}, 48, "bn4", "bn3"),
    ("efficientnet_b0", {}, 224, "top_bn", "stage5_block2"),
    ("efficientnet_b1", {}, 96, "stage5_block3", "stage3_block2"),
    ("efficientnet_b2", {}, 96, "stage5_block3", "stage3_block2"),
    ("fernet_s", {}, 48, "stage2_block1", "stage1_block0"),
    ("resnet18", {}, 224, "stage4_block1", "stage3_block1"),
    ("resnet18", {"stem": "small"}, 48, "stage4_block1", "stage3_block1"),
    ("resnet34", {}, 48, "stage2_block3", "stage1_block2"),
    ("resnet50", {}, 100, "stage3_block5", "stage2_block3"),
    ("resnet101", {}, 224, "stage4_block2", "stage3_block22"),
    ("resnet152", {}, 224, "stage4_block2", "stage3_block35"),
    ("vgg16", {}, 224, "stage5", "stage4"),
    ("vgg19", {}, 48, "stage3", "stage2"),
]


def spec_of(side: int, channels: int = 3, guide: bool = False) -> InputSpec:
    plain = InputSpec((side, side), side, channels, (0.5,) * channels, (0.25,) * channels)
    return InputSpec(**{**vars(plain), "guide": plain}) if guide else plain


def test_every_registered_network_has_a_default() -> None:
    assert {name for name, *_ in DEFAULTS} == set(MODELS)


@pytest.mark.parametrize(("name", "fields", "side", "late", "early"), DEFAULTS)
def test_default_layer_is_the_last_outer_one_with_a_map_that_is_large_enough(
    name: str, fields: dict[str, Any], side: int, late: str, early: str
) -> None:
    layers = layer_maps(create_model(name, 7, **fields), spec_of(side, guide="guide" in fields))
    assert default_layer(layers, "gradcam", name) == late
    assert default_layer(layers, "gradcam++", name) == late
    assert default_layer(layers, "layercam", name) == early


class Own(nn.Module):
    """A user's network: unnamed layers, one of them called twice, all inside a backbone."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = Backbone(name="backbone")(x)
        return nn.Dense(3)(x)


class Backbone(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Conv(4, (3, 3))(x))
        shared = nn.Conv(4, (3, 3), name="shared")
        x = nn.Dropout(0.5, deterministic=True)(shared(shared(x)))
        return x.mean((1, 2))


def test_layers_inside_a_backbone_are_found_and_a_shared_one_is_not() -> None:
    layers = layer_maps(Own(), spec_of(24, 1))
    assert list(layers) == ["backbone/Conv_0"]
    assert layers["backbone/Conv_0"].is_single
    assert default_layer(layers, "layercam") == "backbone/Conv_0"
    assert modules_in_order(Own(), spec_of(24, 1)) == ["backbone", "Dense_0"]


class Flat(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return nn.Dense(3)(x.reshape(len(x), -1))


def test_a_network_without_maps_is_told_what_to_use() -> None:
    with pytest.raises(UserError, match=r"no layer whose output is a map.*smoothgrad"):
        default_layer(layer_maps(Flat(), spec_of(8)), "gradcam")


def test_an_unknown_layer_names_the_nearest() -> None:
    layers = layer_maps(create_model("fernet_s", 7), spec_of(48, 1))
    assert find_layer(layers, "stage2_block1/conv2").shape == (6, 6, 128)
    with pytest.raises(UserError, match=r"--layer=stage2_blok1: .*'stage2_block1'.*stem_conv"):
        find_layer(layers, "stage2_blok1")


@pytest.mark.parametrize(
    ("name", "fields", "side", "layer", "axis"),
    [
        # Squares of 2 pixels, then two strides of padded 3x3 convolutions that read even places.
        ("fernet_s", {}, 48, "stage2_block1", Axis(0.5, 8)),
        # Disjoint pools keep the cells even.
        ("cnn4", {}, 48, "bn4", Axis(3.5, 8)),
        # 5x5 VALID, pool, 5x5 VALID: 2, then 2.5, then two cells of 2 pixels more.
        ("base_cnn", {}, 48, "conv2", Axis(6.5, 2)),
        ("resnet18", {"stem": "small"}, 32, "stage3_block1", Axis(0, 4)),
        ("awei", {"jumper": "conv1"}, 64, "conv3", Axis(1.5, 4)),
    ],
)
def test_cells_lie_where_their_strides_and_padding_put_them(
    name: str, fields: dict[str, Any], side: int, layer: str, axis: Axis
) -> None:
    model, spec = create_model(name, 7, **fields), spec_of(side)
    for found in cell_centres(model, spec, layer_maps(model, spec)[layer]):
        np.testing.assert_allclose(found, axis, atol=0.02)


def test_a_map_is_enlarged_linearly_between_the_centres_of_its_cells() -> None:
    maps = np.array([[[0.0, 1.0], [2.0, 3.0]]])
    large = enlarge(maps, (Axis(0, 2), Axis(0.5, 2)), side=4, size=(4, 4))
    np.testing.assert_allclose(large[0, :, 0], [0, 1, 2, 2])
    np.testing.assert_allclose(large[0, 0], [0, 0.25, 0.75, 1])


def test_a_network_that_looks_at_no_place_has_even_cells(
    random_variables: Callable[..., Any],
) -> None:
    class Mixed(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
            x = nn.Conv(4, (2, 2), 2, name="patches")(x)
            batch, height, width, _ = x.shape
            x = nn.Dense(height * width * 4, name="mix")(x.reshape(batch, -1))
            x = nn.Conv(2, (1, 1), name="conv")(x.reshape(batch, height, width, 4))
            return x.mean((1, 2))

    spec = spec_of(12, 1)
    rows, columns = cell_centres(Mixed(), spec, layer_maps(Mixed(), spec)["conv"])
    assert rows == columns == Axis(0.5, 2)
