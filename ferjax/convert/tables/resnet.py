"""Conversion tables of ResNet: torchvision, timm, transformers and Keras."""

import dataclasses

from ferjax.convert.catalogue.input_specs import CAFFE, IMAGENET, IMAGENET_BICUBIC
from ferjax.convert.rules.match_and_convert import Rule, Table
from ferjax.convert.tables.layer_rules import (
    keras_conv,
    keras_dense,
    keras_norm,
    torch_conv,
    torch_dense,
    torch_norm,
)

_BLOCK = "stage{s}_block{b}"
_COUNTERS = (r".*\.num_batches_tracked",)  # number of training batches; not used at inference

TORCHVISION = Table(
    family="resnet",
    kind="torchvision",
    rules=(
        *torch_conv("conv1", "stem_conv"),
        *torch_norm("bn1", "stem_bn"),
        *torch_conv("layer{s}.{b}.conv{i}", f"{_BLOCK}/conv{{i}}"),
        *torch_norm("layer{s}.{b}.bn{i}", f"{_BLOCK}/bn{{i}}"),
        *torch_conv("layer{s}.{b}.downsample.0", f"{_BLOCK}/downsample_conv"),
        *torch_norm("layer{s}.{b}.downsample.1", f"{_BLOCK}/downsample_bn"),
        *torch_dense("fc", "head"),
    ),
    ignore=_COUNTERS,
    fields={},
    input=IMAGENET,
    models=("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
)

TIMM = dataclasses.replace(TORCHVISION, kind="timm", input=IMAGENET_BICUBIC)


def _transformers(prefix: str) -> tuple[Rule, ...]:
    """Returns all rules except the head's; `prefix` is empty in files without a head."""
    layer = f"{prefix}encoder.stages.{{s-1}}.layers.{{b}}"
    return (
        *torch_conv(f"{prefix}embedder.embedder.convolution", "stem_conv"),
        *torch_norm(f"{prefix}embedder.embedder.normalization", "stem_bn"),
        *torch_conv(f"{layer}.layer.{{i-1}}.convolution", f"{_BLOCK}/conv{{i}}"),
        *torch_norm(f"{layer}.layer.{{i-1}}.normalization", f"{_BLOCK}/bn{{i}}"),
        *torch_conv(f"{layer}.shortcut.convolution", f"{_BLOCK}/downsample_conv"),
        *torch_norm(f"{layer}.shortcut.normalization", f"{_BLOCK}/downsample_bn"),
    )


TRANSFORMERS = dataclasses.replace(
    TORCHVISION,
    kind="transformers",
    rules=(*_transformers("resnet."), *_transformers(""), *torch_dense("classifier.1", "head")),
    input=IMAGENET_BICUBIC,
)


def _keras(source: str, target: str) -> tuple[Rule, ...]:
    """Returns the rules of one convolution of a block and of its batch norm."""
    block = "conv{s+1}_block{b+1}_"
    return (
        *keras_conv(f"{block}{source}_conv", f"{_BLOCK}/{target.format('conv')}", bias=True),
        *keras_norm(f"{block}{source}_bn", f"{_BLOCK}/{target.format('bn')}"),
    )


KERAS = Table(
    family="resnet",
    kind="keras",
    rules=(
        *keras_conv("conv1_conv", "stem_conv", bias=True),
        *keras_norm("conv1_bn", "stem_bn"),
        *_keras("0", "downsample_{}"),
        *_keras("1", "{}1"),
        *_keras("2", "{}2"),
        *_keras("3", "{}3"),
        *keras_dense("predictions", "head"),
        *keras_dense("probs", "head"),  # the layer's name in files that Keras publishes
    ),
    ignore=(),
    # ResNet v1: the first 1x1 convolution of a block has the stride.
    fields={
        "conv_bias": True,
        "stride_on_3x3": False,
        "bn_eps": 1.001e-5,
        "bn_momentum": 0.99,
    },
    input=CAFFE,
    models=("resnet50", "resnet101", "resnet152"),
)
