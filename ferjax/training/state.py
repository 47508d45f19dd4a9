"""`TrainState`: parameters, batch statistics, optimizer state, and how they are initialised."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import struct
from jax.sharding import Mesh

from ferjax.runtime.programs.stored_program import named_for_storing, stored_program
from ferjax.runtime.random_keys import stream_key
from ferjax.runtime.sharding import replicated, split_over
from ferjax.runtime.variable_tree import merge_trees, split_tree, unflatten
from ferjax.specs import InputSpec
from ferjax.training.optimizers.optax_optimizers import carry_over

# Function called with the shapes and placement of the state while a thread computes its values.
DuringCompilation = Callable[[Any], object]


@struct.dataclass
class TrainState:
    """The training state: everything that a step changes.

    Attributes:
      step: int32 scalar, steps taken.
      params: parameters.
      batch_stats: running statistics of batch norms; empty if the network has none.
      opt_state: state of the optimizer.
      ema: moving average of the trained parameters, or None.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: Any
    ema: Any = None


# Jitted so that one trace serves both the shapes of a task and the values of a state.
@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def init_variables(model: nn.Module, spec: InputSpec, seed: int) -> dict[str, Any]:
    """Returns initial variables, which depend only on model, input and seed."""
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
    initial_values: Mapping[str, Any] | None = None,
    ema: bool = False,
    split: bool = False,
    during_compilation: DuringCompilation | None = None,
    program_facts: Mapping[str, Any] | None = None,
) -> TrainState:
    """Returns the state at step 0; every array is created on the devices that hold it.

    Args:
      model: the network.
      optimizer: the optimizer whose state is initialised.
      spec: how images become network input.
      seed: the seed of the run.
      mesh: the devices that hold the state.
      dtype: dtype of parameters and statistics, float32 or float64.
      frozen: regular expression on paths of parameters that are never trained; they have no
        optimizer state.
      initial_values: flat path (`params/stem_conv/kernel`) → value that replaces the random one.
      ema: whether a moving average of the trained parameters is kept.
      split: whether the arrays are split over the mesh; else each device has a copy.
      during_compilation: called with shapes and placement of the state while a thread compiles and
        runs its initialisation. It must not launch computations, because all processes of a run
        launch them in the same order.
      program_facts: JSON values that determine the initialisation, as in
        `ferjax.runtime.programs.stored_program`, which stores its program. None: not stored.
    """

    def init(values: Mapping[str, Any]) -> TrainState:
        variables = merge_trees(init_variables(model, spec, seed), unflatten(values))
        variables = jax.tree.map(lambda x: jnp.asarray(x, dtype), variables)
        params = variables["params"]
        trained = split_tree(params, frozen)[0]
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            batch_stats=variables.get("batch_stats", {}),
            opt_state=optimizer.init(trained),
            # A copy: one buffer cannot be donated twice.
            ema=jax.tree.map(jnp.copy, trained) if ema else None,
        )

    return _make_on_mesh(
        init, dict(initial_values or {}), mesh, split, during_compilation, program_facts
    )


def next_phase(
    state: TrainState,
    optimizer: optax.GradientTransformation,
    frozen: str | None,
    mesh: Mesh,
    *,
    split: bool = False,
) -> TrainState:
    """Returns the state at the start of the next phase, with optimizer state for its parameters.

    The optimizer state of parameters that both phases train is kept; that of other parameters is
    new.

    Args:
      state: the state at the end of the previous phase.
      optimizer: the optimizer of the new phase.
      frozen: regular expression on paths of parameters that the new phase does not train.
      mesh: the devices that hold the state.
      split: whether its arrays are split over the mesh.
    """

    def state_of_phase(state: TrainState) -> TrainState:
        trained = split_tree(state.params, frozen)[0]
        averages = None if state.ema is None else carry_over(state.ema, trained)
        opt_state = carry_over(state.opt_state, optimizer.init(trained))
        return dataclasses.replace(state, opt_state=opt_state, ema=averages)

    return _make_on_mesh(state_of_phase, state, mesh, split)


def _make_on_mesh(
    make: Callable[[Any], TrainState],
    argument: Any,
    mesh: Mesh,
    split: bool,
    during_compilation: DuringCompilation | None = None,
    program_facts: Mapping[str, Any] | None = None,
) -> TrainState:
    """Returns `make(argument)`, each array created on the devices that will hold it."""
    # Only if split: the shapes need a trace, which takes a second or more for a large network.
    placement = split_over(jax.eval_shape(make, argument), mesh) if split else replicated(mesh)
    make = named_for_storing(make, "initial_state", program_facts)
    jitted = jax.jit(make, out_shardings=placement)
    if during_compilation is None:
        return jitted(argument)
    program = stored_program(jitted, (argument,), mesh, "initial_state", program_facts)
    places = placement if split else jax.tree.map(lambda _: placement, program.outputs)
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(lambda: program.load()(argument))
        during_compilation(jax.tree.map(_with_sharding, program.outputs, places))
        return future.result()


def _with_sharding(shape: Any, sharding: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding)


def averaged_parameters(ema: Any, params: Any, step: jax.Array, decay: float) -> Any:
    """Returns the moving average after a step.

    In the first steps the decay is (1 + step) / (10 + step) if this is smaller, so that the initial
    parameters soon lose their influence (as in TensorFlow's ExponentialMovingAverage with
    `num_updates`).

    Args:
      ema: tree of averages before the step.
      params: the same tree of parameters after the step.
      step: int scalar, number of steps before this one.
      decay: 0 to 1.
    """
    step_decay = jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(
        lambda a, p: (step_decay * a + (1 - step_decay) * p).astype(p.dtype), ema, params
    )


def evaluated_params(state: TrainState) -> Any:
    """Returns the parameters to evaluate: the moving average if there is one."""
    return state.params if state.ema is None else merge_trees(state.params, state.ema)


def all_finite(tree: Any) -> bool:
    """Returns whether all values of a tree are finite, that is neither infinite nor NaN."""
    leaves = jax.tree.leaves(tree)
    # An own loop may have arrays of numpy too.
    on_devices = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]
    if any(not (leaf.is_fully_replicated or leaf.is_fully_addressable) for leaf in on_devices):
        return bool(_finite_on_devices(tree))
    # On the host: a save copies the arrays there anyway, and compiling the check takes seconds.
    return all(bool(np.isfinite(np.asarray(leaf)).all()) for leaf in leaves)


@jax.jit
def _finite_on_devices(tree: Any) -> jax.Array:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()
