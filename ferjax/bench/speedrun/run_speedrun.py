"""Runs the suite `speedrun`: all sides in turns, each run in a process of its own."""

import dataclasses
import os
import tempfile
import time
from pathlib import Path

from ferjax.bench.measure_suites import free_folder
from ferjax.bench.pytorch.missing_sides import missing_torch_networks
from ferjax.bench.speedrun.faces import fewer_faces, load_faces, save_faces
from ferjax.bench.speedrun.recipes import RECIPES
from ferjax.bench.speedrun.report_files import write_speedrun
from ferjax.bench.speedrun.results import BEST, OURS, PLAIN, SpeedrunResult
from ferjax.bench.speedrun.run_once import ALL_RECIPES, run_in_fresh_process
from ferjax.bench.suite_registry import SPEEDRUN, cases_expression
from ferjax.config.speedrun_config import SpeedrunConfig
from ferjax.errors import UserError, unknown_name
from ferjax.runtime.progress_bar import tqdm

# Side → the recipe of PyTorch that it trains by.
_TORCH_SIDES = {PLAIN: "torch_plain", BEST: "torch_best"}
# Faces of each split in a quick run.
QUICK_FACES = 512


def run_speedrun(
    config: SpeedrunConfig,
    cases: str | None = None,
    quick: bool = False,
    out: str | None = None,
) -> tuple[SpeedrunResult, Path]:
    """Trains every side with every seed; writes bench.json and bench.md after each run.

    Args:
      config: target, number of seeds, recipe and data.
      cases: a regular expression that picks sides by name, or None.
      quick: one seed and `QUICK_FACES` faces; then nothing is said about the target.
      out: the folder to write, new or empty; None for bench/speedrun-<date>-<time>.

    Returns:
      The results and the folder.

    Raises:
      UserError: an unknown recipe, an expression that matches no side, no data, or a process that
        failed.
    """
    if config.recipe not in RECIPES:
        raise unknown_name("--recipe", config.recipe, RECIPES)
    sides, notes = _select_sides(config.recipe, cases)
    folder, started = free_folder(out, SPEEDRUN), time.monotonic()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    faces = load_faces(config.data_dir)
    faces = fewer_faces(faces, QUICK_FACES) if quick else faces
    result = SpeedrunResult(
        config.target,
        quick,
        {side: dataclasses.asdict(ALL_RECIPES[recipe]) for side, recipe in sides.items()},
        notes=notes,
    )
    runs = [(side, seed) for seed in range(1 if quick else config.repeats) for side in sides]
    with (
        tempfile.TemporaryDirectory(prefix="ferjax-bench-") as top,
        tqdm(runs, unit="run", disable=None, leave=False) as bar,
    ):
        decoded = Path(top, "faces.npz")
        save_faces(faces, decoded)
        for side, seed in bar:
            bar.set_postfix_str(f"{side}, seed {seed}")
            run = run_in_fresh_process(sides[side], seed, decoded)
            result = dataclasses.replace(result, runs=(*result.runs, run))
            write_speedrun(folder, result, time.monotonic() - started)
    return result, folder


def _select_sides(recipe: str, cases: str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """Returns side → name of its recipe, and notes on sides that are left out.

    Raises:
      UserError: an expression that matches no side, or only sides that are left out.
    """
    sides = {OURS: recipe, **_TORCH_SIDES}
    is_selected = cases_expression(cases).search if cases else lambda name: True
    picked = {side: name for side, name in sides.items() if is_selected(side)}
    if not picked:
        raise UserError(f"--cases={cases} matches no side. Sides: {', '.join(sides)}.")
    # On a GPU both frameworks compute on it.
    no_torch = missing_torch_networks()
    if no_torch is None or picked.keys().isdisjoint(_TORCH_SIDES):
        return picked, ()
    if OURS not in picked:
        raise UserError(f"--cases={cases}: {no_torch}.")
    return {OURS: recipe}, (no_torch,)
