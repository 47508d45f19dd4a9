"""Conversion tables of EfficientNet: torchvision, timm (also its TensorFlow ports) and Keras."""

import dataclasses
from collections.abc import Callable

from ferjax.convert.catalogue.input_specs import IMAGENET_BICUBIC
from ferjax.convert.rules.axis_layouts import HWIO_TO_IO, KERAS_DEPTHWISE, OIHW_TO_IO
from ferjax.convert.rules.match_and_convert import Rule, Table
from ferjax.convert.tables.layer_rules import (
    keras_conv,
    keras_dense,
    keras_norm,
    torch_conv,
    torch_dense,
    torch_norm,
)

# Module fields of TensorFlow's networks, and of timm's ports of them.
_TENSORFLOW = {"padding": "same", "bn_eps": 1e-3, "bn_momentum": 0.99}


def _stages(block: Callable[[int, str], tuple[Rule, ...]]) -> tuple[Rule, ...]:
    """Returns the rules of all blocks. Stage 1 has no expansion, so its names are different."""
    return tuple(rule for s in range(1, 8) for rule in block(s, f"stage{s}_block{{b}}"))


def _torchvision(stage: int, target: str) -> tuple[Rule, ...]:
    """Returns the rules of one stage's blocks: a numbered sequence that starts with expansion."""
    source = f"features.{stage}.{{b}}.block"
    depthwise = 0 if stage == 1 else 1
    expand = (
        *torch_conv(f"{source}.0.0", f"{target}/expand_conv"),
        *torch_norm(f"{source}.0.1", f"{target}/expand_bn"),
    )
    return (
        *(expand if depthwise else ()),
        *torch_conv(f"{source}.{depthwise}.0", f"{target}/dw_conv"),
        *torch_norm(f"{source}.{depthwise}.1", f"{target}/dw_bn"),
        *torch_dense(f"{source}.{depthwise + 1}.fc1", f"{target}/se_reduce", OIHW_TO_IO),
        *torch_dense(f"{source}.{depthwise + 1}.fc2", f"{target}/se_expand", OIHW_TO_IO),
        *torch_conv(f"{source}.{depthwise + 2}.0", f"{target}/project_conv"),
        *torch_norm(f"{source}.{depthwise + 2}.1", f"{target}/project_bn"),
    )


TORCHVISION = Table(
    family="efficientnet",
    kind="torchvision",
    rules=(
        *torch_conv("features.0.0", "stem_conv"),
        *torch_norm("features.0.1", "stem_bn"),
        *_stages(_torchvision),
        *torch_conv("features.8.0", "top_conv"),
        *torch_norm("features.8.1", "top_bn"),
        *torch_dense("classifier.1", "head"),
    ),
    ignore=(r".*\.num_batches_tracked",),
    fields={},
    input=IMAGENET_BICUBIC,
    models=("efficientnet_b0", "efficientnet_b1", "efficientnet_b2"),
)


def _timm(stage: int, target: str) -> tuple[Rule, ...]:
    """Returns the rules of one stage's blocks; stage 1 has separable convolutions."""
    source = f"blocks.{stage - 1}.{{b}}"
    separable = (
        *torch_conv(f"{source}.conv_dw", f"{target}/dw_conv"),
        *torch_norm(f"{source}.bn1", f"{target}/dw_bn"),
        *torch_conv(f"{source}.conv_pw", f"{target}/project_conv"),
        *torch_norm(f"{source}.bn2", f"{target}/project_bn"),
    )
    inverted = (
        *torch_conv(f"{source}.conv_pw", f"{target}/expand_conv"),
        *torch_norm(f"{source}.bn1", f"{target}/expand_bn"),
        *torch_conv(f"{source}.conv_dw", f"{target}/dw_conv"),
        *torch_norm(f"{source}.bn2", f"{target}/dw_bn"),
        *torch_conv(f"{source}.conv_pwl", f"{target}/project_conv"),
        *torch_norm(f"{source}.bn3", f"{target}/project_bn"),
    )
    return (
        *(separable if stage == 1 else inverted),
        *torch_dense(f"{source}.se.conv_reduce", f"{target}/se_reduce", OIHW_TO_IO),
        *torch_dense(f"{source}.se.conv_expand", f"{target}/se_expand", OIHW_TO_IO),
    )


TIMM = dataclasses.replace(
    TORCHVISION,
    kind="timm",
    rules=(
        *torch_conv("conv_stem", "stem_conv"),
        *torch_norm("bn1", "stem_bn"),
        *_stages(_timm),
        *torch_conv("conv_head", "top_conv"),
        *torch_norm("bn2", "top_bn"),
        *torch_dense("classifier", "head"),
    ),
)
TIMM_TF = dataclasses.replace(TIMM, kind="timm_tf", fields=_TENSORFLOW)

KERAS = dataclasses.replace(
    TORCHVISION,
    kind="keras",
    rules=(
        *keras_conv("stem_conv", "stem_conv"),
        *keras_norm("stem_bn", "stem_bn"),
        *keras_conv("block{s}{b:letter}_expand_conv", "stage{s}_block{b}/expand_conv"),
        *keras_norm("block{s}{b:letter}_expand_bn", "stage{s}_block{b}/expand_bn"),
        *keras_conv(
            "block{s}{b:letter}_dwconv", "stage{s}_block{b}/dw_conv", layout=KERAS_DEPTHWISE
        ),
        *keras_norm("block{s}{b:letter}_bn", "stage{s}_block{b}/dw_bn"),
        *keras_dense("block{s}{b:letter}_se_reduce", "stage{s}_block{b}/se_reduce", HWIO_TO_IO),
        *keras_dense("block{s}{b:letter}_se_expand", "stage{s}_block{b}/se_expand", HWIO_TO_IO),
        *keras_conv("block{s}{b:letter}_project_conv", "stage{s}_block{b}/project_conv"),
        *keras_norm("block{s}{b:letter}_project_bn", "stage{s}_block{b}/project_bn"),
        *keras_conv("top_conv", "top_conv"),
        *keras_norm("top_bn", "top_bn"),
        *keras_dense("predictions", "head"),
    ),
    ignore=(r"normalization(_\d+)?/[012]",),  # part of the input spec, not of the network
    fields=_TENSORFLOW,
)
