"""Parameters, FLOPs and memory of a network, and the wall-time breakdown of a run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ferjax.ops.choose_implementation import with_plain_implementations
from ferjax.runtime.programs.compiler_options import jit_is_disabled
from ferjax.specs import InputSpec
from ferjax.training.state import init_variables
from ferjax.training.wall_time import with_step_time


def describe_network(model: nn.Module, spec: InputSpec) -> dict[str, Any]:
    """Returns the network's parameter counts, by module and in all, and its FLOPs per image.

    The keys are `modules` {top-level module: number of parameters}, `parameters` and, if XLA
    reports it, `forward_flops` of one image in evaluation. A multiply-add counts as two.

    Args:
      model: the network of a run.
      spec: how images become the network's input.
    """
    variables = jax.eval_shape(lambda: init_variables(model, spec, seed=0))
    modules = {
        name: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
        for name, tree in variables["params"].items()
    }
    image = jax.ShapeDtypeStruct((1, spec.size, spec.size, spec.channels), jnp.float32)
    inputs = (image, image) if spec.guide else image
    # The plain form is needed because XLA counts the body of a loop over tiles only once.
    forward = with_plain_implementations(
        lambda variables, inputs: model.apply(variables, inputs, train=False)
    )
    lowered = None if jit_is_disabled() else jax.jit(forward).lower(variables, inputs)
    cost = (lowered.cost_analysis() if lowered else None) or {}
    facts = {"modules": modules, "parameters": sum(modules.values())}
    return {**facts, "forward_flops": cost["flops"]} if "flops" in cost else facts


def describe_costs(
    meta: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], batch_size: int, devices: int
) -> dict[str, Any]:
    """Returns the wall-time breakdown, speed and memory of a run.

    The keys are `seconds` {kind: seconds} and, where they were measured: `images_per_second` and
    `flop_utilisation` (medians over the epochs), `step_flops`, `ceiling` (FLOP/s),
    `activation_bytes` (per image) and `peak_bytes` {`host`, `device`}.

    Args:
      meta: the meta of the last checkpoint.
      lines: the lines of metrics.jsonl.
      batch_size: batch size of the run.
      devices: number of devices.
    """
    program = meta["program"]
    train_lines = [line for line in lines if line["split"] == "train"]
    facts: dict[str, Any] = {"seconds": with_step_time(meta["spent"], meta["seconds"])}
    for name in ("images_per_second", "flop_utilisation"):
        if values := [line[name] for line in train_lines if name in line]:
            facts[name] = float(np.median(values))
    for name in ("step_flops", "ceiling"):
        if name in program:
            facts[name] = program[name]
    if "activation_bytes" in program:
        facts["activation_bytes"] = program["activation_bytes"] * devices / batch_size
    if train_lines and "peak_bytes" in train_lines[-1]:
        facts["peak_bytes"] = train_lines[-1]["peak_bytes"]
    return facts
