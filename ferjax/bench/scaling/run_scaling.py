"""The suite from start to report: steps measured in other processes, counted, and predicted."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from ferjax.bench.measuring.measure_in_turns import QUICK, Effort, measure
from ferjax.bench.run_suites import free_folder
from ferjax.bench.scaling import measured_cases as suite
from ferjax.bench.scaling.devices_and_workload import Layout, Scaling, Workload
from ferjax.bench.scaling.measured_results import Counted, Measured, Outcome
from ferjax.bench.scaling.network_facts import facts_of, network_facts
from ferjax.bench.scaling.report_files import write_scaling
from ferjax.bench.scaling.ring_traffic import Traffic
from ferjax.bench.scaling.worker_processes import Team, team
from ferjax.bench.suite_registry import cases_expression
from ferjax.errors import UserError
from ferjax.runtime.progress_bar import tqdm

T = TypeVar("T")
# A step of two processes may take seconds.
FULL = Effort(budget=10.0, sample=0.0)


def run_scaling(
    cases: str | None = None, quick: bool = False, out: str | None = None
) -> tuple[Outcome, Path]:
    """Measures, counts, predicts, and writes bench.json, bench.md and bench.png.

    Args:
      cases: a regular expression that picks networks by name, or None.
      quick: one network measured and counted, those of the papers predicted.
      out: the folder to write, new or empty; None for bench/scaling-<date>-<time>.

    Returns:
      What was found, and the folder.

    Raises:
      UserError: an expression that matches no network, a folder that cannot be, or a process that
        has ended.
    """
    wanted = _matcher(cases)
    steps = suite.QUICK_MEASURED if quick else suite.MEASURED
    measured = [scaling for scaling in steps if wanted(scaling.workload.model)]
    counted = [step for step in suite.COUNTED if wanted(step.model)]
    networks = [name for name in suite.PREDICTED if wanted(name)]
    if quick:
        counted = [step for step in counted if step in suite.QUICK_COUNTED]
        networks = [name for name in networks if cases or name in suite.PAPERS]
    folder, started = free_folder(out, "scaling"), time.monotonic()
    found, counts = measure_all(measured, counted, QUICK if quick else FULL)
    facts = tuple(network_facts(n, suite.PREDICTED[n]) for n in _bar(networks, "traces"))
    outcome = Outcome(found, counts, facts)
    write_scaling(folder, outcome, time.monotonic() - started)
    return outcome, folder


def measure_all(
    measured: Iterable[Scaling], counted: Iterable[Workload], effort: Effort
) -> tuple[tuple[Measured, ...], tuple[Counted, ...]]:
    """Returns what was measured and counted, the processes of each layout started once for all.

    Args:
      measured: steps to run.
      counted: steps to compile.
      effort: how long.

    Raises:
      UserError: a process has ended.
    """
    measured, counted = list(measured), list(counted)
    layouts = dict.fromkeys(layout for scaling in measured for layout in scaling.layouts)
    with contextlib.ExitStack() as stack:
        teams = {layout: stack.enter_context(team(layout)) for layout in layouts}
        found = [_measured(scaling, teams, effort) for scaling in _bar(measured, "measures")]
        if counted and suite.COUNTED_ON not in teams:
            teams[suite.COUNTED_ON] = stack.enter_context(team(suite.COUNTED_ON))
        # What ran has been compiled already.
        known = {
            entry.scaling.workload: entry.traffic[suite.COUNTED_ON]
            for entry in found
            if suite.COUNTED_ON in entry.traffic and not entry.scaling.weak
        }
        counts = [
            _counted(workload, teams[suite.COUNTED_ON], known.get(workload))
            for workload in _bar(counted, "counts")
        ]
    return tuple(found), tuple(counts)


def _measured(scaling: Scaling, teams: Mapping[Layout, Team], effort: Effort) -> Measured:
    traffic = {}
    for layout in scaling.layouts:
        batch = scaling.batch_on(layout)
        workload = dataclasses.replace(scaling.workload, batch_size=batch)
        traffic[layout] = teams[layout].load(workload)
    runs = {str(layout): teams[layout].step for layout in scaling.layouts}
    seconds = measure(runs, effort)
    by_layout = {layout: seconds[str(layout)] for layout in scaling.layouts}
    return Measured(scaling, by_layout, traffic)


def _counted(workload: Workload, on: Team, known: tuple[Traffic, ...] | None) -> Counted:
    replicated = on.count(workload) if known is None else known
    split = on.count(dataclasses.replace(workload, shard_params=True))
    facts = facts_of(workload, "as counted", "synthetic")
    return Counted(workload, on.layout.devices, facts, replicated, split)


def _matcher(pattern: str | None) -> Callable[[str], bool]:
    """Returns whether a network's name is asked for, checked to hold for one at least."""
    if pattern is None:
        return lambda name: True
    expression = cases_expression(pattern)
    if not any(map(expression.search, suite.PREDICTED)):
        known = ", ".join(suite.PREDICTED)
        raise UserError(f"--cases={pattern} matches no network. Networks: {known}.")
    return lambda name: bool(expression.search(name))


def _bar(items: Iterable[T], what: str) -> Iterable[T]:
    return tqdm(items, desc=what, disable=None, leave=False)
