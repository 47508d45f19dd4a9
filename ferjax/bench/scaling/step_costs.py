"""Costs of a network's training step: FLOPs, gradient bytes, batch norms, bytes of state."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax

from ferjax.bench.measuring.operation_counts import work_of
from ferjax.bench.scaling.compile_train_step import uncompiled_step
from ferjax.bench.scaling.scaling_cases import Workload
from ferjax.recipes import DEFAULTS, RECIPES, paper_recipe
from ferjax.runtime.variable_tree import flatten, split_tree

_FLOAT = 4
# Settings of a recipe that decide how much a step computes or moves.
_FLAGS = ("image_size", "batch_size", "optimizer", "jumper", "head_widths", "pooling")
# Images of the traced step: its FLOPs are proportional to their number.
_TRACED = 4


@dataclass(frozen=True)
class StepCosts:
    """The costs of a network's training step, from the shapes and the trace of the step.

    Attributes:
      model: the network's name.
      recipe: name of the recipe whose settings it has.
      dataset: name of the data set that it trains on.
      image_size: side of its input, pixels.
      batch: images per step on one device.
      flops: FLOPs of a step's convolutions and matrix products, per image.
      products: number of convolutions and matrix products in a step.
      gradient_bytes: bytes of the gradients of all trained parameters, float32.
      norm_channels: number of channels of each batch norm.
      state_bytes: bytes of parameters, batch statistics and the optimizer's slots.
      moved_bytes: the least bytes that a step of `batch` images moves between a device and its
        memory; 0 where they were not counted.
    """

    model: str
    recipe: str
    dataset: str
    image_size: int
    batch: int
    flops: float
    products: int
    gradient_bytes: int
    norm_channels: tuple[int, ...]
    state_bytes: int
    moved_bytes: int = 0

    @property
    def payload(self) -> int:
        """Returns the bytes that a replicated step sums over the devices, without its scalars."""
        # Means and variances; `gradient_bytes` contains the gradients of scale and bias.
        return self.gradient_bytes + 2 * _FLOAT * sum(self.norm_channels)


def recipe_workload(model: str, dataset: str) -> tuple[str, Workload]:
    """Returns the paper's recipe for a network on a data set, and its step with nothing frozen.

    If no paper has this pair, the network's default settings apply.
    """
    recipe = paper_recipe(model, dataset)
    settings: Mapping[str, Any] = RECIPES[recipe].settings if recipe in RECIPES else DEFAULTS[model]
    flags = {name: settings[name] for name in _FLAGS if name in settings}
    channels = 1 if model in ("cnn3", "cnn4", "cnn5", "cnn6") else 3
    return recipe, Workload(model=model, channels=channels, **flags)


def step_costs(workload: Workload, recipe: str = "", dataset: str = "") -> StepCosts:
    """Returns the costs of a step, whose batch size is that of one device; compiles nothing."""
    traced = dataclasses.replace(workload, batch_size=_TRACED)
    program = uncompiled_step(traced, jax.devices()[:1])
    state = program.arguments[0]
    trained = flatten(split_tree(state.params, program.task.frozen[0])[0])
    statistics = flatten(state.batch_stats)
    return StepCosts(
        model=workload.model,
        recipe=recipe,
        dataset=dataset,
        image_size=workload.image_size,
        batch=workload.batch_size,
        flops=work_of(program.function, *program.arguments).flops / _TRACED,
        # Every layer has a forward product and the gradients of kernel and input; the first layer
        # has no gradient of its input, the image.
        products=3 * sum(leaf.ndim > 1 for leaf in trained.values()) - 1,
        gradient_bytes=_FLOAT * sum(math.prod(leaf.shape) for leaf in trained.values()),
        norm_channels=tuple(
            leaf.shape[0] for path, leaf in statistics.items() if path.endswith("/mean")
        ),
        state_bytes=sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)),
    )
