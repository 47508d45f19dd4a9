"""Runs --verify: writes the page of a paper or a study again from the results inside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax.config.reproduce_config import PAPERS
from ferjax.errors import UserError
from ferjax.recipes import resolve
from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.papers.find_paper import find_paper
from ferjax.reproduce.reporting.build_report import build_report, with_departures
from ferjax.reproduce.reporting.embedded_results import results_from_json
from ferjax.reproduce.reporting.page import render_report
from ferjax.reproduce.reporting.verify_page import settings_of_page, verify_page
from ferjax.reproduce.run_result import RunResult, epochs_other_than_curves, other_than_curves
from ferjax.reproduce.running.departures import departures_of, flag_departures, other_data
from ferjax.reproduce.stand_ins import with_stand_ins
from ferjax.reproduce.studies.study_report import study_page_again

Pictures = Mapping[str, list[dict[str, Any]]]


def verify_report(path: Path) -> tuple[list[str], int]:
    """Returns a line for each difference, and the number of compared cells.

    Args:
      path: a report.html of launch.reproduce.

    Raises:
      UserError: the file is no such report, or one of another version, or its results are damaged.
    """
    return verify_page(path, {"paper": _paper_page, "study": study_page_again})


def _paper_page(block: Mapping[str, Any], pictures: Pictures) -> tuple[str, list[str]]:
    """Returns the page of a paper from the results inside a page, and their contradictions."""
    results = results_from_json(block["results"])
    name, lacks = block["paper"], block["lacks"]
    if name not in PAPERS:
        raise UserError(f"it is about {name!r:.60}, which is no paper that is reproduced.")
    printed_paper = find_paper(name)
    paper, _ = with_stand_ins(printed_paper, lambda one: lacks.get(one.name))
    contradictions = [
        text for group in results.values() for run in group for text in _contradictions(run)
    ]
    contradictions += _other_seeds(printed_paper, results)
    results = _with_table_departures(printed_paper, results)
    settings = settings_of_page(block["settings"], results)
    report = build_report(paper, results, block["missing"], settings)
    shown = {one["name"]: pictures.get(one["name"], []) for one in report["figures"]}
    return render_report(report, shown, {}), contradictions


def _contradictions(run: RunResult) -> list[str]:
    """Returns the contradictions between predictions, epochs and curves of a run, in words."""
    return [*other_than_curves(run), *epochs_other_than_curves(run)]


def _other_seeds(paper: Paper, results: Mapping[str, list[RunResult]]) -> list[str]:
    """Returns runs whose seeds cannot be as they state, in words.

    Whether an experiment draws random numbers follows from its table: without them one run decides.
    """
    draws = {one.name: bool(one.recipe) for one in paper.experiments}
    texts = []
    for name, group in results.items():
        seeds = [run.seed for run in group]
        texts += [
            f"{name}: seed {seed} is there twice"
            for seed in sorted(set(seeds))
            if seeds.count(seed) > 1
        ]
        texts += [
            f"{name}, seed {run.seed}: the run says that it"
            f" {'draws' if run.draws else 'does not draw'} random numbers, its table says the"
            " contrary"
            for run in group
            if run.draws != draws[name]
        ]
    return texts


def _with_table_departures(paper: Paper, results: Mapping[str, list[RunResult]]) -> dict[str, Any]:
    """Returns results with the departures of their tables, also those that a page leaves out."""
    experiments = {one.name: one for one in paper.experiments}
    departures = {}
    for name, (run, *_) in results.items():
        dataset, stated = str(run.facts["dataset"]), list(run.facts.get("departs", ()))
        experiment = experiments[name]
        data_departure = other_data(paper, experiment, dataset)
        computed = [*departures_of(experiment, dataset, data_departure)]
        if experiment.recipe and not run.facts["config"].get("smoke"):
            computed += _flag_departures_of(experiment, dataset, run.facts["config"])
        if not set(computed) <= set(stated):
            stated = [*computed, *(text for text in stated if text not in computed)]
        departures[name] = {"departs": stated, "other_data": data_departure}
    return with_departures(results, departures)


def _flag_departures_of(
    experiment: Experiment, dataset: str, config: Mapping[str, Any]
) -> list[str]:
    """Returns how the settings that a run states differ from those of its table, in words."""
    plain = resolve({**experiment.settings, "recipe": experiment.recipe, "dataset": dataset})
    epochs = config.get("epochs", plain.epochs)
    settings = {**config, "epochs": tuple(epochs) if isinstance(epochs, list) else epochs}
    return flag_departures(plain, settings)
