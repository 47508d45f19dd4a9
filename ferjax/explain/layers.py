"""The layers of a network that have a map, and the layer that is explained by default."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
from flax import linen as nn

from ferjax.errors import UserError, nearest
from ferjax.models.registry import all_models
from ferjax.specs import InputSpec
from ferjax.training.state import init_variables

# Method → least number of cells on the shorter side of a map that is explained by default. On a
# face of 48 pixels the 3x3 map of a network's last layers only says "left, middle, right". Grad-CAM
# averages gradients over the map and needs a late layer; LayerCAM is more faithful on an earlier
# layer (docs/explain.md).
LEAST_SIDES = {"gradcam": 6, "gradcam++": 6, "layercam": 12}


@dataclass(frozen=True)
class LayerMap:
    """A submodule of a network whose output is a map.

    Attributes:
      name: path of the submodule, `stage2_block1` or `stage2_block1/conv2`.
      shape: (h, w, C) of its output.
      is_single: whether it has no submodules of its own. The networks apply ReLU or SiLU to the
        output of a single convolution or normalisation, outside of it.
    """

    name: str
    shape: tuple[int, int, int]
    is_single: bool


def layer_maps(model: nn.Module, spec: InputSpec) -> dict[str, LayerMap]:
    """Returns {name: layer} of the submodules with a map, in the order in which they finish.

    Nothing is computed. A submodule that is called several times is left out, because it has
    several maps.

    Args:
      model: the network; its `__call__` takes `train`.
      spec: how images become its input.
    """
    calls = _calls(model, spec)
    names = [name for name, _ in calls]
    parents = {name[:cut] for name in names for cut in range(len(name)) if name[cut] == "/"}
    return {
        name: LayerMap(name, output.shape[1:], name not in parents)
        for name, output in calls
        if getattr(output, "ndim", 0) == 4 and names.count(name) == 1
    }


def modules_in_order(model: nn.Module, spec: InputSpec) -> list[str]:
    """Returns the names of the outermost submodules, in the order in which they finish."""
    return list(dict.fromkeys(name for name, _ in _calls(model, spec) if "/" not in name))


def _calls(model: nn.Module, spec: InputSpec) -> list[tuple[str, Any]]:
    """Returns the path and the abstract output of each call of a submodule, except dropout."""
    calls: list[tuple[str, Any]] = []

    def record(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        output = call(*args, **kwargs)
        module = context.module
        if context.method_name == "__call__" and module.path and not isinstance(module, nn.Dropout):
            calls.append(("/".join(module.path), output))
        return output

    def initialise() -> dict[str, Any]:
        # `init_variables` calls the network once, as in a prediction, to make its variables. Its
        # compiled form would not call the network again.
        with nn.intercept_methods(record):
            return inspect.unwrap(init_variables)(model, spec, seed=0)

    jax.eval_shape(initialise)
    return calls


def default_layer(
    layers: Mapping[str, LayerMap], method: str = "layercam", model_name: str = ""
) -> str:
    """Returns the layer that is explained by default.

    It is the last of the outermost layers whose map has `LEAST_SIDES` cells or more on each side;
    if there is none, the layer with the largest map. If the outermost modules have no maps, the
    modules inside them are taken. A frozen branch (the guide of awei) is never explained, because
    no gradient passes through it.

    Args:
      layers: from `layer_maps`.
      method: a key of `LEAST_SIDES`.
      model_name: the network's name in the registry.

    Raises:
      UserError: the network has no submodule with a map.
    """
    frozen = getattr(all_models().get(model_name), "frozen", None) or ""
    branch = frozen.partition("/")[0]
    not_frozen = [layer for layer in layers.values() if layer.name.split("/")[0] != branch]
    if not not_frozen:
        raise UserError(
            f"{model_name or 'the network'} has no layer whose output is a map [B, h, w, C], which"
            " class activation maps need. Use smoothgrad, integrated_gradients or occlusion."
        )
    depth = min(layer.name.count("/") for layer in not_frozen)
    outer = [layer for layer in not_frozen if layer.name.count("/") == depth]
    large = [layer for layer in outer if min(layer.shape[:2]) >= LEAST_SIDES[method]]
    if large:
        return large[-1].name
    return max(outer, key=lambda layer: min(layer.shape[:2])).name


def find_layer(layers: Mapping[str, LayerMap], name: str) -> LayerMap:
    """Returns the layer of this name; raises `UserError` with a similar name if it has no map."""
    if name in layers:
        return layers[name]
    near = nearest(name, layers)
    hint = f" Did you mean {near!r}?" if near else ""
    outer = [layer for layer in layers if "/" not in layer] or list(layers)
    raise UserError(
        f"--layer={name}: no layer of this name has a map [B, h, w, C].{hint} Outermost layers that"
        f" have one: {', '.join(outer) or 'none'}; those inside are named as in"
        " stage1_block0/conv1."
    )
