"""What a prediction has to know of a network, from the shapes and the trace of its step."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax

from ferjax.bench.measuring.operation_counts import work_of
from ferjax.bench.scaling.compile_train_step import train_program
from ferjax.bench.scaling.devices_and_workload import Workload
from ferjax.recipes import DEFAULTS, RECIPES, paper_recipe
from ferjax.runtime.variable_tree import flatten, split_tree

_FLOAT = 4
# Settings of a recipe that decide how much a step computes or moves.
_FLAGS = ("image_size", "batch_size", "optimizer", "jumper", "head_widths", "pooling")
# Images of the trace: operations are proportional to them.
_TRACED = 4


@dataclass(frozen=True)
class Facts:
    """A network's training step.

    Attributes:
      model: the network's name.
      recipe: whose settings it has.
      dataset: whose images it learns.
      image_size: side of its input, pixels.
      batch: images a step on one device.
      flops: of a step's convolutions and products, an image.
      products: convolutions and products a step.
      gradient_bytes: of all trained parameters, float32.
      norm_channels: of each batch norm.
      state_bytes: parameters, statistics and the optimizer's slots.
      largest: path of the largest parameter.
      largest_bytes: its.
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
    largest: str
    largest_bytes: int

    @property
    def payload(self) -> int:
        """Returns the bytes that a replicated step sums over the devices, but for its scalars."""
        # Means and variances; the gradients of scale and bias are among the gradients.
        return self.gradient_bytes + 2 * _FLOAT * sum(self.norm_channels)


def recipe_workload(model: str, dataset: str) -> tuple[str, Workload]:
    """Returns the recipe of a pair and the step it trains with, from random weights, unfrozen.

    Args:
      model: the network's name.
      dataset: the data set's; without a paper's recipe for the pair the network's default counts.
    """
    recipe = paper_recipe(model, dataset)
    settings: Mapping[str, Any] = RECIPES[recipe].settings if recipe in RECIPES else DEFAULTS[model]
    flags = {name: settings[name] for name in _FLAGS if name in settings}
    channels = 1 if model in ("cnn3", "cnn4", "cnn5", "cnn6") else 3
    return recipe, Workload(model=model, channels=channels, **flags)


def network_facts(model: str, dataset: str) -> Facts:
    """Returns the facts of a network under its paper's recipe; nothing is computed.

    Args:
      model: the network's name.
      dataset: as in `recipe_workload`.
    """
    recipe, workload = recipe_workload(model, dataset)
    return facts_of(workload, recipe, dataset)


def facts_of(workload: Workload, recipe: str, dataset: str) -> Facts:
    """Returns the facts of a step; its batch size is that of one device.

    Args:
      workload: the step.
      recipe: whose settings it has, in words.
      dataset: whose images it learns.
    """
    traced = dataclasses.replace(workload, batch_size=_TRACED)
    program = train_program(traced, jax.devices()[:1])
    state = program.arguments[0]
    trained = flatten(split_tree(state.params, program.task.frozen[0])[0])
    largest = max(trained, key=lambda path: math.prod(trained[path].shape))
    statistics = flatten(state.batch_stats)
    return Facts(
        model=workload.model,
        recipe=recipe,
        dataset=dataset,
        image_size=workload.image_size,
        batch=workload.batch_size,
        flops=work_of(program.function, *program.arguments).flops / _TRACED,
        # Forward, gradient of the kernel, gradient of the input, which the image does not get.
        products=3 * sum(leaf.ndim > 1 for leaf in trained.values()) - 1,
        gradient_bytes=_FLOAT * sum(math.prod(leaf.shape) for leaf in trained.values()),
        norm_channels=tuple(
            leaf.shape[0] for path, leaf in statistics.items() if path.endswith("/mean")
        ),
        state_bytes=sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)),
        largest=largest,
        largest_bytes=_FLOAT * math.prod(trained[largest].shape),
    )
