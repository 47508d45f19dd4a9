"""Parameters, FLOPs and memory of a network, and the wall-time breakdown of a run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ferjax.ops.choose_implementation import with_plain_implementations
from ferjax.runtime.sharding import jit_is_disabled
from ferjax.specs import InputSpec
from ferjax.training.state import init_variables
from ferjax.training.wall_time import with_step_time


def describe_network(model: nn.Module, spec: InputSpec) -> dict[str, Any]:
    """Returns the network's parameters by module and its operations an image.

    `modules` {top-level module: parameters}, `parameters`, and where XLA tells `forward_flops`, of
    one image in evaluation, a multiply-add as two.

    Args:
      model: of a run.
      spec: how images become its input.
    """
    variables = jax.eval_shape(lambda: init_variables(model, spec, seed=0))
    modules = {
        name: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
        for name, tree in variables["params"].items()
    }
    image = jax.ShapeDtypeStruct((1, spec.size, spec.size, spec.channels), jnp.float32)
    inputs = (image, image) if spec.guide else image
    # In plain form, because XLA counts the body of a loop over tiles only once.
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
    """Returns wall-time breakdown, speed and memory of a run.

    `seconds` {kind: s}, and where they are known: `images_per_second` and `flop_utilisation`, the
    medians of its epochs, `step_flops`, `ceiling` FLOP/s, `activation_bytes` an image,
    `peak_bytes` {`host`, `device`}.

    Args:
      meta: of the last checkpoint.
      lines: of metrics.jsonl.
      batch_size: of the run.
      devices: how many.
    """
    program = meta["program"]
    trained = [line for line in lines if line["split"] == "train"]
    facts: dict[str, Any] = {"seconds": with_step_time(meta["spent"], meta["seconds"])}
    for name in ("images_per_second", "flop_utilisation"):
        if values := [line[name] for line in trained if name in line]:
            facts[name] = float(np.median(values))
    for name in ("step_flops", "ceiling"):
        if name in program:
            facts[name] = program[name]
    if "activation_bytes" in program:
        facts["activation_bytes"] = program["activation_bytes"] * devices / batch_size
    if trained and "peak_bytes" in trained[-1]:
        facts["peak_bytes"] = trained[-1]["peak_bytes"]
    return facts
