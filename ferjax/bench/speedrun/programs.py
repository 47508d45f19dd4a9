"""The compiled programs of a run of the suite `speedrun`, compiled ahead or when needed."""

import functools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ferjax.bench.measuring.fixed_recipe import scaled_shift
from ferjax.bench.speedrun.augmentation import padded_faces, smaller_faces
from ferjax.bench.speedrun.epoch import epoch_function, plan_epoch
from ferjax.bench.speedrun.recipes import SpeedRecipe
from ferjax.bench.speedrun.scoring import SCORED_BATCH, hits_of_batch
from ferjax.runtime.programs.compiler_options import compiled, compiled_forward
from ferjax.runtime.sharding import replicated
from ferjax.training.state import TrainState, evaluated_params
from ferjax.training.step_settings import StepSettings
from ferjax.training.train_step import zero_sums

# Returns a compiled program; waits if it is still being compiled.
ProgramBuilder = Callable[[], Any]
PLAN, TEST, SCORE = "plan", "test", "score"


def program_builders(
    recipe: SpeedRecipe,
    settings: Mapping[int, StepSettings],
    state: TrainState,
    images: np.ndarray,
    test_images: np.ndarray,
    mesh: Mesh,
    seed: int,
) -> dict[str, ProgramBuilder]:
    """Returns name → function that compiles the program, in the order in which they are needed.

    For each side S of the faces there are `faces S`, which resizes and pads all faces, and `step S`
    (`epoch_function`). `plan` is `plan_epoch`, `test` resizes the test faces, `score` is
    `hits_of_batch`.

    Args:
      recipe: the recipe.
      settings: side of the faces → settings of the step.
      state: shapes of the training state.
      images: uint8 [N, H, W, 1], the training faces.
      test_images: uint8 [M, H, W, 1], the test faces.
      mesh: the device.
      seed: the seed of the run.
    """
    count, placed = images.shape[0], replicated(mesh)

    def shape(*sides: int, dtype: Any = jnp.int32) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(sides, dtype, sharding=placed)

    plan = partial(plan_epoch, recipe=recipe, count=count, seed=seed)
    plan_shapes = jax.tree.map(
        lambda leaf: shape(*leaf.shape, dtype=leaf.dtype),
        jax.eval_shape(plan, shape(), shape()),
    )
    sums = jax.tree.map(lambda leaf: shape(dtype=leaf.dtype), zero_sums())

    def build_faces(side: int, images: np.ndarray, shift: int) -> Any:
        def faces(images: jax.Array) -> jax.Array:
            return padded_faces(smaller_faces(images, side), shift)

        return jax.jit(faces).lower(shape(*images.shape, dtype=jnp.uint8)).compile()

    def build_plan() -> Any:
        return jax.jit(plan, out_shardings=placed).lower(shape(), shape()).compile()

    def build_step(side: int) -> Any:
        padded_side = side + 2 * scaled_shift(recipe.shift, side)
        padded = shape(count, padded_side, padded_side, 1, dtype=jnp.uint8)
        function = epoch_function(settings[side], mesh.devices.flat[0].platform)
        step: Any = compiled(function, mesh, donate_argnums=(0,), out_shardings=placed)
        return step.lower((state, sums), padded, shape(count), plan_shapes, shape()).compile()

    def build_score(side: int) -> Any:
        score = partial(
            hits_of_batch,
            model=settings[side].model,
            spec=settings[side].spec,
            mirrored_views=recipe.mirrored_views,
        )
        variables = {"params": evaluated_params(state), "batch_stats": state.batch_stats}
        batch = shape(SCORED_BATCH, side, side, 1, dtype=jnp.uint8)
        program: Any = compiled_forward(score)
        return program.lower(variables, batch, shape(SCORED_BATCH)).compile()

    builders: dict[str, ProgramBuilder] = {}
    for side, _ in recipe.phases:
        builders[f"step {side}"] = partial(build_step, side)
        shift = scaled_shift(recipe.shift, side)
        builders[f"faces {side}"] = partial(build_faces, side, images, shift)
        builders.setdefault(PLAN, build_plan)
    last_side = recipe.phases[-1][0]
    builders[TEST] = partial(build_faces, last_side, test_images, 0)
    builders[SCORE] = partial(build_score, last_side)
    return builders


def in_background(
    executor: ThreadPoolExecutor, builders: Mapping[str, ProgramBuilder]
) -> dict[str, ProgramBuilder]:
    """Returns the programs, which a thread compiles one after the other from now on."""
    return {name: executor.submit(build).result for name, build in builders.items()}


def when_needed(builders: Mapping[str, ProgramBuilder]) -> dict[str, ProgramBuilder]:
    """Returns the programs, each of which is compiled when it is first called for."""
    return {name: functools.cache(build) for name, build in builders.items()}


def scalar(value: int) -> np.ndarray:
    """Returns an int32 scalar, as the programs take it."""
    return np.array(value, np.int32)
