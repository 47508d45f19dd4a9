"""Conversion tables of VGG16 and VGG19: torchvision, timm and Keras."""

import dataclasses
from collections.abc import Iterator

from ferjax.convert.catalogue.input_specs import CAFFE, IMAGENET, IMAGENET_BICUBIC
from ferjax.convert.rules.axis_layouts import OIHW_TO_IO, chw_dense_to_hwc_dense, oihw_to_hwc_dense
from ferjax.convert.rules.match_and_convert import Rule, Table
from ferjax.convert.tables.layer_rules import keras_conv, keras_dense, torch_conv, torch_dense

# Number of convolutions in each stage.
_DEPTHS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


def _features(depths: tuple[int, ...]) -> Iterator[Rule]:
    """Yields the rules of the convolutions; torch's index also counts ReLU and pooling layers."""
    index = 0
    for stage, depth in enumerate(depths, start=1):
        for i in range(1, depth + 1):
            yield from torch_conv(f"features.{index}", f"stage{stage}/conv{i}", bias=True)
            index += 2  # the convolution and its ReLU
        index += 1  # the pool


def _torchvision(model: str) -> Table:
    """Returns the table of one model; the indices of its layers depend on the depth."""
    return Table(
        family="vgg",
        kind="torchvision",
        rules=(
            *_features(_DEPTHS[model]),
            *torch_dense("classifier.0", "head_dense1", chw_dense_to_hwc_dense(512, 7, 7)),
            *torch_dense("classifier.3", "head_dense2"),
            *torch_dense("classifier.6", "head"),
        ),
        ignore=(),
        fields={},
        input=IMAGENET,
        models=(model,),
    )


def _timm(model: str) -> Table:
    """Returns the table of one model; in timm the hidden dense layers are convolutions."""
    return dataclasses.replace(
        _torchvision(model),
        kind="timm",
        rules=(
            *_features(_DEPTHS[model]),
            *torch_dense("pre_logits.fc1", "head_dense1", oihw_to_hwc_dense(7, 7)),
            *torch_dense("pre_logits.fc2", "head_dense2", OIHW_TO_IO),
            *torch_dense("head.fc", "head"),
        ),
        input=IMAGENET_BICUBIC,
    )


TORCHVISION = tuple(map(_torchvision, _DEPTHS))
TIMM = tuple(map(_timm, _DEPTHS))
KERAS = Table(
    family="vgg",
    kind="keras",
    rules=(
        *keras_conv("block{s}_conv{i}", "stage{s}/conv{i}", bias=True),
        *keras_dense("fc1", "head_dense1"),
        *keras_dense("fc2", "head_dense2"),
        *keras_dense("predictions", "head"),
    ),
    ignore=(),
    fields={},
    input=CAFFE,
    models=tuple(_DEPTHS),
)
