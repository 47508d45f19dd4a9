"""Reproduces a paper: plans, trains missing runs, judges the claims, and writes the report."""

import json
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

import ferjax
from ferjax.config.given_files import read_json
from ferjax.config.reproduce_config import ReproduceConfig
from ferjax.data.registry import dataset_entries
from ferjax.errors import UserError
from ferjax.report.environment import command_line, describe_environment
from ferjax.report.private_paths import without_places
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.papers.find_paper import find_paper
from ferjax.reproduce.reporting.build_report import with_departures
from ferjax.reproduce.reporting.used_predictions import used_predictions
from ferjax.reproduce.reporting.write_report import write_paper_report
from ferjax.reproduce.run_result import RunResult
from ferjax.reproduce.running.at_hand import AtHand, data_of_stand_ins, find_at_hand, lack_of
from ferjax.reproduce.running.chosen_experiments import left_out_of_smoke
from ferjax.reproduce.running.collect_result import Wanted, finished_result
from ferjax.reproduce.running.plan import PlannedRun, plan_others, plan_runs
from ferjax.reproduce.running.run_experiments import Train, run_experiments, run_one
from ferjax.reproduce.stand_ins import with_stand_ins
from ferjax.runtime.atomic_files import whole_entries, write_atomically
from ferjax.runtime.progress_lines import say

# File that marks a folder of this command. It states the paper and the data sets that replace its
# own.
MARK = "reproduction.json"


def run_reproduce(config: ReproduceConfig, *, train: Train = run_one) -> dict[str, Any]:
    """Reproduces a paper; returns the report, with the `path` of its page.

    Args:
      config: the flags, with `paper`.
      train: trains one run.

    Raises:
      UserError: flags, data or folders that do not fit, or nothing could be run at all.
      KeyboardInterrupt: stopped by the user; the same call continues the work.
    """
    printed_paper = find_paper(str(config.paper))
    out = Path(config.out or f"runs/reproduce-{printed_paper.name}{'-smoke' * config.smoke}")
    mark = check_out(out, config, printed_paper)
    if config.smoke:  # before data are drawn into the folder
        write_atomically(out / MARK, mark)
    at_hand = find_at_hand(config, printed_paper, out)
    paper, lacks = with_stand_ins(printed_paper, lack_of(config, at_hand))
    if not paper.experiments:
        raise _no_data(printed_paper, at_hand)
    write_atomically(out / MARK, mark)
    for name, why in lacks.items():
        say(f"{name} is not run: {why}", config.progress)
    left_out = left_out_of_smoke(paper) if config.smoke else {}
    runs, other_runs = (
        [run for run in plan(config, paper, at_hand, out) if run.experiment.name not in left_out]
        for plan in (plan_runs, plan_others)
    )
    used = used_predictions(paper)
    wanted = {
        name: [(split, epoch) for experiment, split, epoch in sorted(used) if experiment == name]
        for name, _, _ in used
    }
    failed: dict[str, str] = {}
    if not config.report:
        failed = run_experiments(runs, out, wanted, progress=config.progress, train=train)
    results, problems = finished_results(runs, other_runs, out, wanted, failed)
    check_any_result(results, failed, out)
    missing = {**lacks, **left_out, **problems, **failed}
    settings = command_and_environment(config, f"--paper={paper.name}")
    return write_paper_report(paper, results, lacks, missing, settings, used, out)


def check_any_result(
    results: Mapping[str, Sequence[RunResult]], failed: Mapping[str, str], out: Path
) -> None:
    """Raises `UserError` if there is no result, and an experiment failed or a report is there.

    A report whose runs are gone holds the only numbers that are left of them.
    """
    if results:
        return
    if failed:
        name, why = next(iter(failed.items()))
        raise UserError(f"no experiment could be run. {name}: {why}")
    if (out / "report.json").exists():
        raise UserError(
            f"--out={out} holds a report, but no finished run with these settings; the report was"
            " left as it is. Without --report the experiments are run, or name a new folder."
        )


def check_out(out: Path, config: ReproduceConfig, paper: Paper) -> str:
    """Returns the text of a folder's mark; raises `UserError` if the folder holds anything else."""
    mark = {"paper": paper.name, "smoke": config.smoke, "dataset": list(config.dataset)}
    if out.exists() and not out.is_dir():
        raise UserError(f"--out={out} is a file. Name a new folder; nothing was written.")
    path = out / MARK
    if path.is_file():
        recorded = read_json(path, "Name a new folder; nothing was written.")
        if recorded != mark:
            raise UserError(
                f"--out={out} holds a reproduction of {recorded}, not of {mark}. Name a new folder;"
                " nothing was written."
            )
    elif whole_entries(out):
        raise UserError(
            f"--out={out} holds other files and no reproduction. Name a new folder; nothing was"
            " written."
        )
    return json.dumps(mark) + "\n"


def _no_data(paper: Paper, at_hand: AtHand) -> UserError:
    """Returns the error for a paper of which no experiment can be run for lack of its data."""
    names = [at_hand.instead.get(name, name) for name in paper.datasets]
    wanted = " ".join(
        f"Get {name}: {dataset_entries()[name].source}. Expected:"
        f" {'; '.join(dataset_entries()[name].layouts)}."
        for name in names
    )
    place = ",".join(f"{name}:PATH" for name in names) if len(names) > 1 else "PATH"
    stand_ins = data_of_stand_ins(paper)
    others = f" The stand-ins take --data_dir={stand_ins}." if stand_ins else ""
    return UserError(
        f"--paper={paper.name}: the data set{'s' * (len(names) > 1)} {' and '.join(names)}"
        f" {'are' if len(names) > 1 else 'is'} not at hand. {wanted} Then give --data_dir={place}."
        f"{others} Without any data --smoke runs the same on drawn faces."
    )


def finished_results(
    runs: Sequence[PlannedRun],
    others: Sequence[PlannedRun],
    out: Path,
    wanted: Mapping[str, Wanted],
    failed: Collection[str] = (),
) -> tuple[dict[str, list[RunResult]], dict[str, str]]:
    """Returns the results of finished runs, with their departures, and why some are left out.

    The seeds of an experiment are judged together, image by image. So a seed that learned from
    other images than the first seed is left out.

    Args:
      runs: the runs that the command trains.
      others: the runs that `--only` leaves out; those that are finished are used too.
      out: the folder of runs and results.
      wanted: experiment → predictions that are to be stored of its runs.
      failed: experiments of which a run failed; their finished runs are used too.

    Returns:
      Experiment → results by seed. Experiment → why a run is left out: what is wrong with it, or
      that some of the seeds have not been run yet.

    Raises:
      UserError: one of `runs` has other settings, or is damaged, and its experiment is not among
        `failed`.
    """
    results: dict[str, list[RunResult]] = {}
    departures, problems = {}, {}
    left: dict[str, list[int]] = {}
    for run in (*runs, *others):
        name = run.experiment.name
        try:
            result = finished_result(out, run, wanted.get(name, ()))
        except UserError as error:
            if run in runs and name not in failed:
                raise
            problems.setdefault(name, str(error))
            continue
        if result is None:
            left.setdefault(name, []).append(run.seed)
            continue
        group = results.setdefault(name, [])
        if group and _digests(group[0]) != _digests(result):
            problems.setdefault(
                name,
                f"seed {run.seed} is left out: it learned from other images than seed"
                f" {group[0].seed}; a new --out makes a report of these",
            )
            continue
        group.append(result)
        departures[name] = {"departs": list(run.departs), "other_data": run.other_data}
    for name in results.keys() & left.keys():
        seeds = ", ".join(map(str, left[name]))
        problems.setdefault(name, f"seed{'s' * (len(left[name]) > 1)} {seeds} not run yet")
    return with_departures(results, departures), problems


def _digests(result: RunResult) -> dict[str, str]:
    return {split: str(part["digest"]) for split, part in result.splits.items()}


def command_and_environment(config: ReproduceConfig, subject_flag: str) -> dict[str, Any]:
    """Returns the settings of a report: seeds, commands and environment.

    Args:
      config: the flags of the command.
      subject_flag: the flag that names the paper or study, with its value.
    """
    facts = describe_environment(jax.devices(), 0)
    del facts["training wall time, minutes"], facts["command line"]
    versions = ", ".join(f"{name} {version}" for name, version in facts.pop("versions").items())
    written = time.strftime("%d %B %Y", time.gmtime())
    return {
        "smoke": config.smoke,
        "seeds": config.seeds,
        "ferjax": ferjax.__version__,
        "written": f"Written on {written}; git commit {facts['git commit']}.",
        "commands": [
            command_line([sys.argv[0], *without_places(sys.argv[1:])]),
            f"python -m launch.reproduce {subject_flag} --smoke",
            "python -m launch.reproduce --verify=report.html",
        ],
        "environment": {
            **{name: str(value) for name, value in facts.items()},
            "versions": versions,
        },
    }
