"""ferjax's side of the suite `speedrun`: trains by a recipe and scores once, timed in parts."""

import math
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from ferjax.bench.measuring.fixed_recipe import scaled_shift
from ferjax.bench.speedrun.epoch import whole_epochs
from ferjax.bench.speedrun.faces import SpeedFaces
from ferjax.bench.speedrun.network import WHITENING_KERNEL, build_network
from ferjax.bench.speedrun.optimisation import settings_of
from ferjax.bench.speedrun.programs import (
    PLAN,
    SCORE,
    TEST,
    ProgramBuilder,
    in_background,
    program_builders,
    scalar,
    when_needed,
)
from ferjax.bench.speedrun.recipes import SpeedRecipe
from ferjax.bench.speedrun.results import OURS, RunResult, zero_seconds
from ferjax.bench.speedrun.scoring import count_hits
from ferjax.bench.speedrun.whitening import FaceStatistics, face_statistics
from ferjax.errors import UserError
from ferjax.runtime.sharding import data_mesh, replicated
from ferjax.specs import InputSpec
from ferjax.training.state import TrainState, create_state, evaluated_params
from ferjax.training.train_step import EpochSums, zero_sums
from ferjax.training.wall_time import timed


def train_and_score(
    faces: SpeedFaces, recipe: SpeedRecipe, seed: int, recipe_name: str = ""
) -> RunResult:
    """Trains a network and scores it once on the test faces.

    The time is counted from the decoded faces in memory to the accuracy.

    Args:
      faces: the faces.
      recipe: the settings.
      seed: seed of initial parameters, order and augmentation.
      recipe_name: name of the recipe, for the result.

    Raises:
      UserError: fewer training faces than a batch has.
    """
    count = len(faces.train_labels)
    if count < recipe.batch_size:
        raise UserError(f"batch_size={recipe.batch_size}: there are only {count} training faces.")
    started, seconds = time.perf_counter(), zero_seconds()
    mesh = data_mesh(jax.devices()[:1])
    with timed(seconds, "preparation"):
        statistics = face_statistics(faces.train_images, recipe.whitening)
        data = jax.device_put((faces.train_images, faces.train_labels), replicated(mesh))
    model = build_network(recipe, faces.classes)
    settings = {
        side: settings_of(recipe, model, _spec(side, statistics), count, seed)
        for side, _ in recipe.phases
    }
    programs: dict[str, ProgramBuilder] = {}
    with ThreadPoolExecutor(1) as executor:

        def compile_programs(state: Any) -> None:
            builders = program_builders(
                recipe, settings, state, faces.train_images, faces.test_images, mesh, seed
            )
            ahead = recipe.compile_ahead
            programs.update(in_background(executor, builders) if ahead else when_needed(builders))

        first = settings[recipe.phases[0][0]]
        with timed(seconds, "compile"):
            state = create_state(
                model,
                first.optimizer,
                first.spec,
                seed,
                mesh,
                frozen=first.frozen,
                initial_values=_initial_values(statistics),
                ema=recipe.ema is not None,
                during_compilation=compile_programs,
            )
        state, sums = _train(state, data, recipe, programs, mesh, seconds)
        with timed(seconds, "compile"):
            resize_test, score = programs[TEST](), programs[SCORE]()
    with timed(seconds, "evaluation"):
        variables = {"params": evaluated_params(state), "batch_stats": state.batch_stats}
        test_images = np.asarray(resize_test(faces.test_images))
        hits = count_hits(score, variables, test_images, faces.test_labels)
    seconds["steps"] = time.perf_counter() - started - sum(seconds.values())
    loss = float(sums.loss) / float(sums.weight)
    return RunResult(
        side=OURS,
        recipe=recipe_name,
        seed=seed,
        accuracy=hits / len(faces.test_labels),
        seconds=seconds,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        train_faces=count,
        test_faces=len(faces.test_labels),
        last_loss=loss if math.isfinite(loss) else None,
    )


def _train(
    state: TrainState,
    data: tuple[jax.Array, jax.Array],
    recipe: SpeedRecipe,
    programs: Mapping[str, ProgramBuilder],
    mesh: Mesh,
    seconds: dict[str, float],
) -> tuple[TrainState, EpochSums]:
    """Returns the state after all phases, and the sums of the last epoch."""
    (images, labels), epoch = data, 0
    whole = whole_epochs(mesh.devices.flat[0].platform)
    steps = len(labels) // recipe.batch_size
    sums: Any = zero_sums()
    for side, epochs in recipe.phases:
        with timed(seconds, "compile"):
            make_faces = programs[f"faces {side}"]()
            plan_epoch, run_steps = programs[PLAN](), programs[f"step {side}"]()
        with timed(seconds, "preparation"):
            padded = make_faces(images).block_until_ready()
        shift = scalar(scaled_shift(recipe.shift, side))
        for _ in range(epochs):
            plan = plan_epoch(scalar(epoch), shift)
            sums = jax.device_put(zero_sums(), replicated(mesh))
            for number in range(1 if whole else steps):
                state, sums = run_steps((state, sums), padded, labels, plan, scalar(number))
            epoch += 1
        jax.block_until_ready(state)
    return state, sums


def _initial_values(statistics: FaceStatistics) -> dict[str, np.ndarray]:
    """Returns path → value of the whitening filters; empty if there are none."""
    filters = statistics.filters
    return {} if filters is None else {f"params/{WHITENING_KERNEL}": filters}


def _spec(side: int, statistics: FaceStatistics) -> InputSpec:
    return InputSpec((side, side), side, 1, (statistics.mean,), (statistics.std,))
