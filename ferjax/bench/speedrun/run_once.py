"""Runs one side of the suite `speedrun` with one seed and prints the result as a line of JSON.

The suite starts it in fresh processes. By hand, for tuning:

    python -c 'from ferjax.bench.speedrun.run_once import main; main()' \
        --recipe=whitened --seed=0 --data_dir=DIR --held_out --set learning_rate=0.1
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ferjax.bench.measuring.fixed_recipe import with_changes
from ferjax.bench.pytorch.speed_recipes import TORCH_RECIPES, TorchRecipe
from ferjax.bench.speedrun.faces import (
    SpeedFaces,
    fewer_faces,
    held_out,
    load_faces,
    read_saved_faces,
)
from ferjax.bench.speedrun.recipes import RECIPES, SpeedRecipe
from ferjax.bench.speedrun.results import BEST, PLAIN, RunResult, run_from_json
from ferjax.config.speedrun_config import SpeedrunConfig
from ferjax.errors import UserError, unknown_name
from ferjax.runtime.child_processes import CHILD, end_with_parent, last_lines

ALL_RECIPES: dict[str, SpeedRecipe | TorchRecipe] = {**RECIPES, **TORCH_RECIPES}
_COMMAND = "from ferjax.bench.speedrun.run_once import main; main()"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs once; the arguments are those of the command line if None."""
    parser = argparse.ArgumentParser(prog="run_once", description="One run of the speedrun.")
    parser.add_argument("--recipe", default=SpeedrunConfig().recipe, help=", ".join(ALL_RECIPES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data_dir", help="Folder or csv file of fer2013.")
    parser.add_argument("--saved_faces", type=Path, help="Faces that the suite has decoded.")
    parser.add_argument("--images", type=int, help="Number of faces of each split. Default: all.")
    parser.add_argument(
        "--held_out",
        action="store_true",
        help="Score a tenth of Training that is not trained on, instead of PublicTest.",
    )
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE")
    options = parser.parse_args(arguments)
    end_with_parent()
    try:
        recipe = with_changes(find_recipe(options.recipe), options.set)
        saved = options.saved_faces
        faces = read_saved_faces(saved) if saved else load_faces(options.data_dir)
        faces = held_out(faces) if options.held_out else faces
        faces = fewer_faces(faces, options.images) if options.images else faces
        result = run_recipe(faces, recipe, options.seed, options.recipe)
    except UserError as error:
        sys.exit(str(error))
    print(json.dumps(result.to_json()))


def find_recipe(name: str) -> SpeedRecipe | TorchRecipe:
    """Returns a recipe of either framework; raises `UserError` for an unknown name."""
    if name not in ALL_RECIPES:
        raise unknown_name("--recipe", name, ALL_RECIPES)
    return ALL_RECIPES[name]


def run_recipe(
    faces: SpeedFaces, recipe: SpeedRecipe | TorchRecipe, seed: int, name: str
) -> RunResult:
    """Returns the result of a recipe, by the framework that it belongs to."""
    # Imports are not part of the time of a run.
    if isinstance(recipe, SpeedRecipe):
        from ferjax.bench.speedrun.training import train_and_score

        return train_and_score(faces, recipe, seed, name)
    import jax

    from ferjax.bench.pytorch.speed_training import torch_train_and_score
    from ferjax.bench.speedrun.whitening import face_statistics

    score = torch_train_and_score(
        (faces.train_images, faces.train_labels),
        (faces.test_images, faces.test_labels),
        faces.classes,
        recipe,
        seed,
        device="cuda" if jax.default_backend() == "gpu" else "cpu",
        statistics=face_statistics,
    )
    return RunResult(
        side=BEST if recipe.same_augmentation else PLAIN,
        recipe=name,
        seed=seed,
        train_faces=len(faces.train_labels),
        test_faces=len(faces.test_labels),
        **score,
    )


def run_in_fresh_process(recipe: str, seed: int, faces: Path) -> RunResult:
    """Returns the result of a recipe from a process of its own, with empty compile caches.

    Args:
      recipe: name of the recipe.
      seed: the seed.
      faces: file of `save_faces`.

    Raises:
      UserError: the process failed.
    """
    command = [sys.executable, "-c", _COMMAND, f"--recipe={recipe}", f"--seed={seed}"]
    with tempfile.TemporaryDirectory(prefix="ferjax-bench-") as cache:
        environment = {
            **os.environ,
            CHILD: "1",
            "JAX_ENABLE_COMPILATION_CACHE": "false",
            "TORCHINDUCTOR_CACHE_DIR": cache,
            "TRITON_CACHE_DIR": cache,
        }
        done = subprocess.run(
            [*command, f"--saved_faces={faces}"], capture_output=True, text=True, env=environment
        )
    if done.returncode:
        raise UserError(f"recipe {recipe}, seed {seed}: the process failed. {last_lines(done)}")
    return run_from_json(json.loads(done.stdout.strip().splitlines()[-1]))
