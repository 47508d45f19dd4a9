"""Export to torchvision: ferjax variables as a state dict, and code that builds the network."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.convert.rules.match_and_convert import export
from ferjax.convert.tables.all_tables import find_table
from ferjax.errors import UserError

# Module fields with a fixed value in torchvision's networks.
_FIXED = {
    "conv_bias": False,
    "stride_on_3x3": True,
    "padding": "symmetric",
    "bn_eps": 1e-5,
    "stem": "imagenet",
}
# Family → attribute of torchvision's network that holds the classifier.
_CLASSIFIER = {"resnet": "fc", "vgg": "classifier", "efficientnet": "classifier"}
_PUBLISHED_WIDTHS = {"resnet": (), "vgg": (4096, 4096), "efficientnet": ()}
_HEAD = re.compile(r"params/head(_dense\d+)?/.*")


def to_torchvision(
    variables: Mapping[str, np.ndarray], model: str, fields: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], str]:
    """Returns the state dict, and Python lines that build a network `net` that loads it strictly.

    Args:
      variables: flat path → array, all variables of the network with its head.
      model: ferjax's name of the network.
      fields: the module fields of the network.

    Raises:
      UserError: the variables have no head, or torchvision has no such network.
    """
    table = find_table(model, "torchvision")
    differences = ", ".join(
        f"{name}={fields[name]} (torchvision: {fixed})"
        for name, fixed in _FIXED.items()
        if fields.get(name, fixed) != fixed
    )
    if differences:
        raise UserError(
            f"{model} cannot be exported to torchvision: its network differs in {differences}."
            " Start from weights of kind torchvision or timm to be able to."
        )
    if "params/head/kernel" not in variables:
        raise UserError(f"{model}: no head among the variables; torchvision's networks have one.")
    hidden = sum(bool(re.fullmatch(r"params/head_dense\d+/kernel", path)) for path in variables)
    widths = tuple(variables[f"params/head_dense{i + 1}/kernel"].shape[1] for i in range(hidden))
    classes = variables["params/head/kernel"].shape[1]
    mean_pooled = table.family == "vgg" and fields.get("pooling") == "mean"
    if widths == _PUBLISHED_WIDTHS[table.family] and not mean_pooled:
        return export(variables, table), f"net = torchvision.models.{model}(num_classes={classes})"

    trunk = {path: array for path, array in variables.items() if not _HEAD.fullmatch(path)}
    attribute = _CLASSIFIER[table.family]
    state, layers = export(trunk, table), []
    for i, name in enumerate([*(f"head_dense{i + 1}" for i in range(hidden)), "head"]):
        kernel, bias = (variables[f"params/{name}/{leaf}"] for leaf in ("kernel", "bias"))
        if i == 0 and table.family == "vgg" and not mean_pooled:
            # ferjax flattens the map as (rows, columns, channels), torch with channels first.
            kernel = kernel.reshape(7, 7, -1, kernel.shape[1]).transpose(2, 0, 1, 3)
            kernel = kernel.reshape(-1, bias.size)
        state[f"{attribute}.{3 * i}.weight"] = np.ascontiguousarray(kernel.T)
        state[f"{attribute}.{3 * i}.bias"] = bias
        layers.append(f"nn.Linear({kernel.shape[0]}, {bias.size})")
    separator = f", nn.ReLU(), nn.Dropout({fields.get('dropout', 0.5)}), "
    lines = [
        f"net = torchvision.models.{model}()",
        *(["net.avgpool = nn.AdaptiveAvgPool2d(1)"] if mean_pooled else []),
        f"net.{attribute} = nn.Sequential({separator.join(layers)})",
    ]
    return state, "\n".join(lines)


def loading_lines(file: Path, build: str) -> str:
    """Returns a Python program that builds the network `net` and loads an exported file into it.

    Args:
      file: the exported state dict.
      build: lines from `to_torchvision`.
    """
    imports = ["import torchvision", "from safetensors.torch import load_file"]
    imports += ["from torch import nn"] * ("nn." in build)
    return "\n".join([*imports, "", build, f"net.load_state_dict(load_file({str(file)!r}))"])
