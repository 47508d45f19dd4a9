"""Runs the study of protocols: plans, trains, measures, compares, and writes the report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferjax.config.reproduce_config import ReproduceConfig
from ferjax.data.registry import data_path
from ferjax.errors import UserError
from ferjax.reproduce.command.run_reproduce import (
    MARK,
    check_any_result,
    check_out,
    command_and_environment,
    finished_results,
)
from ferjax.reproduce.judging.estimates import Results
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.running.at_hand import AtHand, find_at_hand, has_test, lack_of
from ferjax.reproduce.running.chosen_experiments import LEFT_OUT
from ferjax.reproduce.running.plan import PlannedRun, plan_others, plan_runs
from ferjax.reproduce.running.run_experiments import Train, run_experiments, run_one
from ferjax.reproduce.studies.answers import Answers
from ferjax.reproduce.studies.drawn_people import drawn_people
from ferjax.reproduce.studies.measure_answers import Duplicates, run_answers
from ferjax.reproduce.studies.protocol_table import (
    DATASETS,
    EXPERIMENTS,
    SMOKE_EXPERIMENTS,
    TITLE,
    Comparison,
    comparisons_of,
)
from ferjax.reproduce.studies.study_report import write_study_report
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.progress_lines import say

_FACES = ("fer2013", "ferplus")


def run_study(config: ReproduceConfig, *, train: Train = run_one) -> dict[str, Any]:
    """Runs the study of protocols; returns the report, with the `path` of its page.

    Args:
      config: the flags, with `study`.
      train: trains one run.

    Raises:
      UserError: flags, data or folders that do not fit, or neither FER2013 nor FER+ is at hand.
      KeyboardInterrupt: stopped by the user; the same call continues the work.
    """
    study = Paper("protocols", TITLE, DATASETS, EXPERIMENTS, (), (), ())
    out = Path(config.out or f"runs/reproduce-protocols{'-smoke' * config.smoke}")
    mark = check_out(out, config, study)
    if config.smoke:  # before data are drawn into the folder
        write_atomically(out / MARK, mark)
    at_hand = find_at_hand(config, study, out)
    lack = lack_of(config, at_hand)
    lacks_of_data = {one.settings["dataset"]: lack(one) for one in EXPERIMENTS}
    if all(lacks_of_data[name] for name in _FACES):
        raise UserError(
            f"--study=protocols: {lacks_of_data['fer2013']}, or likewise ferplus. Without any data"
            " --smoke runs the same on drawn faces."
        )
    write_atomically(out / MARK, mark)
    at_hand, notes = _with_people(config, at_hand, out)
    lack = lack_of(config, at_hand)
    lacks = {one.name: why for one in EXPERIMENTS if (why := lack(one))}
    if config.smoke:
        lacks |= {one.name: LEFT_OUT for one in EXPERIMENTS if one.name not in SMOKE_EXPERIMENTS}
    study = replace(study, experiments=tuple(one for one in EXPERIMENTS if one.name not in lacks))
    runs = plan_runs(config, study, at_hand, out)
    other_runs = plan_others(config, study, at_hand, out)
    failed: dict[str, str] = {}
    if not config.report:
        failed = run_experiments(runs, out, {}, progress=config.progress, train=train)
    results, problems = finished_results(runs, other_runs, out, {}, failed)
    check_any_result(results, failed, out)
    order = [one.name for one in EXPERIMENTS]
    planned = sorted((*runs, *other_runs), key=lambda run: order.index(run.experiment.name))
    answers = _answers(
        planned, results, comparisons_of(config.smoke), out, progress=config.progress
    )
    facts = {
        "settings": command_and_environment(config, "--study=protocols"),
        "notes": [*notes, *_data_notes(at_hand, lacks)],
        "missing": {**lacks, **problems, **failed},
    }
    return write_study_report(answers, results, facts, out)


def _with_people(config: ReproduceConfig, at_hand: AtHand, out: Path) -> tuple[AtHand, list[str]]:
    """Returns the paths of the data, with drawn people if CK+ is not at hand, and notes."""
    note = "CK+ is drawn faces in its layout: how much shared people are worth is theirs"
    if config.smoke:
        return at_hand, [note]
    if "ckplus" in at_hand.places:
        return at_hand, []
    try:
        data_path("ckplus")
    except UserError:
        place = str(drawn_people(out / "data" / "ckplus-drawn"))
        places = {**at_hand.places, "ckplus": place}
        return replace(at_hand, places=places), [f"{note}. --data_dir=ckplus:PATH takes the real"]
    return at_hand, []


def _data_notes(at_hand: AtHand, lacks: Mapping[str, str]) -> list[str]:
    """Returns notes for the reader on the copies of the data."""
    present = [name for name in _FACES if f"{name}_honest" not in lacks]
    without = [name for name in present if not has_test(name, at_hand.places.get(name))]
    if not without:
        return []
    return [
        f"no PrivateTest in {' and '.join(without)} here: PublicTest is test and val is a tenth of"
        " Training, so that val and test exchanged are not PublicTest and PrivateTest as in public"
        " code"
    ]


def _answers(
    runs: Sequence[PlannedRun],
    results: Results,
    comparisons: Sequence[Comparison],
    out: Path,
    *,
    progress: bool,
) -> dict[str, dict[int, dict[str, Answers]]]:
    """Returns experiment → seed → the answers of its run."""
    sides = tuple(side for one in comparisons for side in (one.with_breach, one.honest))
    result_of_run = {
        (name, result.seed): result for name, group in results.items() for result in group
    }
    answers: dict[str, dict[int, dict[str, Answers]]] = {}
    duplicates: Duplicates = {}
    say("evaluating views, labels and copies", progress)
    for run in runs:
        if result := result_of_run.get((run.experiment.name, run.seed)):
            answers_of_run, duplicates = run_answers(run, result, sides, out, duplicates)
            answers.setdefault(run.experiment.name, {})[run.seed] = answers_of_run
    return answers
