"""Step settings of a speed recipe: optimizer, triangular schedule, rates of small parameters."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from ferjax.bench.speedrun.network import frozen_parameters
from ferjax.bench.speedrun.recipes import SpeedRecipe
from ferjax.runtime.variable_tree import flatten, split_tree, unflatten
from ferjax.specs import InputSpec
from ferjax.training.optimizers.optax_optimizers import make_optimizer
from ferjax.training.state import init_variables
from ferjax.training.step_settings import StepSettings


def triangular_rate(recipe: SpeedRecipe, steps: int) -> optax.Schedule:
    """Returns the learning rate as a function of the step: linear up to the peak, linear down.

    Args:
      recipe: `learning_rate` is the peak, at the share `peak_at` of the steps; `first_rate` and
        `last_rate` are the rates of the first and the last step, as shares of the peak.
      steps: number of steps of all phases.
    """

    def rate(step: Any) -> jax.Array:
        last = max(steps - 1, 1)
        positions = jnp.array([0.0, recipe.peak_at * last, last])
        shares = jnp.array([recipe.first_rate, 1.0, recipe.last_rate])
        share = jnp.interp(jnp.asarray(step, jnp.float32), positions, shares)
        return jnp.asarray(recipe.learning_rate * share, jnp.float32)

    return rate


def rate_factors(params: Mapping[str, Any], other_rate: float) -> dict[str, Any]:
    """Returns each parameter's factor on the rate: 1 for convolutions.

    Args:
      params: tree of the trained parameters.
      other_rate: factor of biases, batch norms and the head.
    """
    factors = {
        path: 1.0 if path.endswith("/kernel") and not path.startswith("head") else other_rate
        for path in flatten(params)
    }
    return unflatten(factors)


def settings_of(
    recipe: SpeedRecipe, model: nn.Module, spec: InputSpec, count: int, seed: int
) -> StepSettings:
    """Returns the settings of a training step.

    Args:
      recipe: the recipe.
      model: its network.
      spec: how faces become the input of the network.
      count: number of training faces.
      seed: the seed of the run.
    """
    frozen = frozen_parameters(recipe)
    factors = None
    if recipe.other_rate != 1:
        shapes = jax.eval_shape(lambda: init_variables(model, spec, seed))
        factors = rate_factors(split_tree(shapes["params"], frozen)[0], recipe.other_rate)
    return StepSettings(
        model=model,
        optimizer=make_optimizer(
            recipe.optimizer, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        ),
        rate=triangular_rate(recipe, recipe.epochs * (count // recipe.batch_size)),
        spec=spec,
        seed=seed,
        label_smoothing=recipe.label_smoothing,
        frozen=frozen,
        rate_factors=factors,
        ema=recipe.ema,
    )
