"""Runs the scaling suite: measures steps in worker processes, counts traffic, predicts, reports."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ferjax.bench.measure_suites import free_folder
from ferjax.bench.measuring.interleaved_timing import QUICK, Effort, measure
from ferjax.bench.scaling import scaling_cases as suite
from ferjax.bench.scaling.hlo_collectives import Traffic
from ferjax.bench.scaling.report_files import write_scaling
from ferjax.bench.scaling.scaling_cases import Layout, Scaling, Workload
from ferjax.bench.scaling.scaling_results import Counted, Measured, ScalingResult
from ferjax.bench.scaling.step_costs import recipe_workload, step_costs
from ferjax.bench.scaling.step_worker import COUNT, LOAD, STEP, make_answer
from ferjax.bench.scaling.worker_processes import Workers, start_workers
from ferjax.bench.suite_registry import SCALING, cases_expression
from ferjax.errors import UserError
from ferjax.runtime.progress_bar import tqdm

# A step of two processes may take seconds.
FULL = Effort(budget=10.0, sample=0.0)
_progress = functools.partial(tqdm, disable=None, leave=False)


def run_scaling(
    cases: str | None = None, quick: bool = False, out: str | None = None
) -> tuple[ScalingResult, Path]:
    """Measures, counts, predicts, and writes bench.json, bench.md and bench.png.

    Args:
      cases: a regular expression that picks networks by name, or None.
      quick: measures and counts one network and predicts those of the papers.
      out: the folder to write, new or empty; None for bench/scaling-<date>-<time>.

    Returns:
      The results and the folder.

    Raises:
      UserError: an expression that matches no network, an unusable folder, or a process that has
        ended.
    """
    is_selected = _name_filter(cases)
    steps = suite.QUICK_MEASURED if quick else suite.MEASURED
    measured = [scaling for scaling in steps if is_selected(scaling.workload.model)]
    counted = [step for step in suite.COUNTED if is_selected(step.model)]
    networks = [name for name in suite.PREDICTED if is_selected(name)]
    if quick:
        counted = [step for step in counted if step in suite.QUICK_COUNTED]
        networks = [name for name in networks if cases or name in suite.PAPERS]
    folder, started = free_folder(out, "scaling"), time.monotonic()
    measurements, counts = measure_all(measured, counted, QUICK if quick else FULL)
    costs = []
    for name in _progress(networks, desc="traces"):
        recipe, workload = recipe_workload(name, suite.PREDICTED[name])
        costs.append(step_costs(workload, recipe, suite.PREDICTED[name]))
    result = ScalingResult(measurements, counts, tuple(costs))
    write_scaling(folder, result, time.monotonic() - started)
    return result, folder


def measure_all(
    measured: Iterable[Scaling], counted: Iterable[Workload], effort: Effort
) -> tuple[tuple[Measured, ...], tuple[Counted, ...]]:
    """Returns measurements and counts; the processes of each layout are started once for all.

    Args:
      measured: steps to run.
      counted: steps to compile.
      effort: how long to measure.

    Raises:
      UserError: a process has ended.
    """
    measured, counted = list(measured), list(counted)
    layouts = dict.fromkeys(layout for scaling in measured for layout in scaling.layouts)
    if counted:
        layouts[suite.COUNTED_ON] = None
    with contextlib.ExitStack() as stack:
        workers = {
            layout: stack.enter_context(start_workers(layout, make_answer, SCALING))
            for layout in layouts
        }
        steps = [_measure(step, workers, effort) for step in _progress(measured, desc="measures")]
        # A step that was measured has been compiled already.
        compiled = {
            step.scaling.workload: step.traffic.get(suite.COUNTED_ON)
            for step in steps
            if not step.scaling.weak
        }
        counts = [_count(s, workers, compiled.get(s)) for s in _progress(counted, desc="counts")]
    return tuple(steps), tuple(counts)


def _measure(scaling: Scaling, workers: Mapping[Layout, Workers], effort: Effort) -> Measured:
    traffic = {}
    for layout in scaling.layouts:
        batch = scaling.batch_on(layout)
        workload = dataclasses.replace(scaling.workload, batch_size=batch)
        traffic[layout] = workers[layout].request(LOAD, workload)
    steps = {
        str(layout): functools.partial(workers[layout].request, STEP, 1)
        for layout in scaling.layouts
    }
    seconds = measure(steps, effort)
    return Measured(scaling, {layout: seconds[str(layout)] for layout in scaling.layouts}, traffic)


def _count(
    workload: Workload, workers: Mapping[Layout, Workers], compiled: tuple[Traffic, ...] | None
) -> Counted:
    expected, worker = step_costs(workload).payload, workers[suite.COUNTED_ON]
    split = worker.request(COUNT, dataclasses.replace(workload, shard_params=True))
    replicated = compiled or worker.request(COUNT, workload)
    return Counted(workload, worker.layout.devices, expected, replicated, split)


def _name_filter(pattern: str | None) -> Callable[[str], bool]:
    """Returns a predicate of network names; raises `UserError` if no name matches."""
    if pattern is None:
        return lambda name: True
    expression = cases_expression(pattern)
    if not any(map(expression.search, suite.PREDICTED)):
        networks = ", ".join(suite.PREDICTED)
        raise UserError(f"--cases={pattern} matches no network. Networks: {networks}.")
    return lambda name: bool(expression.search(name))
