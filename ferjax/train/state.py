"""`TrainState`, and nothing else: what a run is at a step."""

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
    return dict(model.init(stream_key(seed, "init"), image, train=False))


def create_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    spec: InputSpec,
    seed: int,
    mesh: Mesh,
    dtype: Any = jnp.float32,
) -> TrainState:
    """Returns the state at step 0, born on the mesh.

    Args:
      model: the network.
      optimizer: whose slots to make.
      spec: what the network takes.
      seed: the run's seed.
      mesh: where the state lives, replicated.
      dtype: of parameters and statistics, float32 or float64.
    """

    def init() -> TrainState:
        variables = jax.tree.map(lambda x: x.astype(dtype), init_variables(model, spec, seed))
        params = variables["params"]
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            batch_stats=variables.get("batch_stats", {}),
            opt_state=optimizer.init(params),
        )

    return jax.jit(init, out_shardings=replicated(mesh))()
