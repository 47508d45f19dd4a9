"""`TrainState`, and nothing else: what a run is at a step."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import struct
from jax.sharding import Mesh

from ferjax.rng import stream_key
from ferjax.sharding import replicated
from ferjax.specs import InputSpec
from ferjax.tree import merge_trees, split_tree, unflatten


@struct.dataclass
class TrainState:
    """The state of a run.

    Attributes:
      step: int32 scalar, steps taken.
      params: parameters.
      batch_stats: running statistics of batch norms; empty where there are none.
      opt_state: the optimizer's.
      ema: moving average of the parameters, or None.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: Any
    ema: Any = None


def init_variables(model: nn.Module, spec: InputSpec, seed: int) -> dict[str, Any]:
    """Returns freshly initialised variables, a function of model, input and seed alone."""
    image = jnp.zeros((1, spec.size, spec.size, spec.channels))
    inputs = (image, image) if spec.guide else image
    return dict(model.init(stream_key(seed, "init"), inputs, train=False))


def create_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    spec: InputSpec,
    seed: int,
    mesh: Mesh,
    dtype: Any = jnp.float32,
    *,
    frozen: str | None = None,
    given: Mapping[str, Any] | None = None,
) -> TrainState:
    """Returns the state at step 0, born on the mesh.

    Args:
      model: the network.
      optimizer: whose slots to make.
      spec: what the network takes.
      seed: the run's seed.
      mesh: where the state lives, replicated.
      dtype: of parameters and statistics, float32 or float64.
      frozen: regular expression on paths of parameters that are never trained: they get no slots.
      given: values by flat path (`params/stem_conv/kernel`) instead of the initialised ones.
    """

    def init(given: Mapping[str, Any]) -> TrainState:
        variables = merge_trees(init_variables(model, spec, seed), unflatten(given))
        variables = jax.tree.map(lambda x: jnp.asarray(x, dtype), variables)
        params = variables["params"]
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            batch_stats=variables.get("batch_stats", {}),
            opt_state=optimizer.init(split_tree(params, frozen)[0]),
        )

    return jax.jit(init, out_shardings=replicated(mesh))(dict(given or {}))
