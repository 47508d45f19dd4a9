"""Benchmark harness: selects cases, measures all sides, writes the report after each case."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferjax.bench.measuring.case import OURS, TORCH, Case, MissingSide, Peer, Run
from ferjax.bench.measuring.case_result import CaseResult
from ferjax.bench.measuring.interleaved_timing import FULL, QUICK, Effort, measure, warm_up
from ferjax.bench.measuring.machine_ceilings import Ceilings, floor_seconds, measure_ceilings
from ferjax.bench.measuring.operation_counts import case_work
from ferjax.bench.measuring.peak_memory import fresh_peak
from ferjax.bench.pytorch.missing_sides import missing_onnxruntime, missing_torch
from ferjax.bench.reporting.report_files import Section, no_section, write_report
from ferjax.bench.suite_registry import FORWARD, select
from ferjax.errors import UserError
from ferjax.runtime.progress_bar import tqdm


@dataclass(frozen=True)
class Trials:
    """Short trials of PyTorch, one for each setting.

    Attributes:
      seconds: setting → seconds of a short trial, or why it did not run.
      setting: the fastest setting, or "" if none ran.
      run: the run of the fastest setting, or None.
    """

    seconds: dict[str, float | str]
    setting: str = ""
    run: Run | None = None


def run_bench(
    suite: str | None = None,
    cases: str | None = None,
    quick: bool = False,
    out: str | None = None,
    section: Section = no_section,
) -> tuple[list[CaseResult], Path]:
    """Measures cases, writes bench.json, bench.md and bench.png; returns results and folder.

    Args:
      suite: name of the suite, or None for all.
      cases: a regular expression that selects cases by name, or None.
      quick: only the main cases of each suite, in fewer rounds.
      out: the folder to write, new or empty; None for bench/<suite>-<date>-<time>.
      section: adds a section to the report: see `write_report`.

    Raises:
      UserError: an unknown suite, an expression that matches no case, or an unusable folder.
    """
    # By default XLA takes most of a GPU's memory and leaves none to PyTorch. The selection already
    # starts the backend: the suite `gpu` checks that there is a GPU.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    picked = select(suite, cases, quick)
    folder = free_folder(out, suite or "all")
    effort = QUICK if quick else FULL
    started, no_torch = time.monotonic(), missing_torch()
    has_forward = any(name == FORWARD for name, _ in picked)
    no_onnx = missing_onnxruntime() if has_forward else None
    ceilings, results = measure_ceilings(), []
    with tqdm(picked, unit="case", disable=None, leave=False) as bar:
        for name, case in bar:
            show = bar.set_postfix_str
            results.append(measure_case(name, case, ceilings, effort, not no_torch, show))
            seconds, note = time.monotonic() - started, _note((no_torch, no_onnx), results)
            write_report(folder, results, ceilings, note, seconds, section)
    return results, folder


def _note(known: Sequence[str | None], results: Sequence[CaseResult]) -> str | None:
    """Returns why sides are missing: for reasons known before, or found in the cases so far."""
    found = [
        f"no side of {label}: {reason}"
        for result in results
        for label, reason in result.missing.items()
    ]
    return "; ".join(dict.fromkeys(filter(None, (*known, *found)))) or None


def measure_case(
    suite: str,
    case: Case,
    ceilings: Ceilings,
    effort: Effort,
    with_torch: bool,
    show: Callable[[str], None] = lambda text: None,
) -> CaseResult:
    """Returns the measurements of one case.

    Args:
      suite: name of the case's suite.
      case: the case to measure.
      ceilings: measured rates of this machine.
      effort: how long to measure.
      with_torch: whether to measure PyTorch.
      show: shows progress.

    Raises:
      UserError: ferjax's side cannot be built.
    """
    work = case_work(case)
    runs, missing = {}, {}
    for label, build in case.sides.items():
        show(f"{case.name}: builds {label}")
        try:
            runs[label] = build()
        except MissingSide as error:
            if label == OURS:
                raise UserError(f"--suite={suite}: {error}.") from error
            missing[label] = str(error)
    peers = case.peers if with_torch else ()
    trials = try_peers(peers, effort, lambda setting: show(f"{case.name}: tries {setting}"))
    if trials.run:
        runs[TORCH] = trials.run
    seconds = measure(runs, effort, tick=lambda label: show(f"{case.name}: {label}"))
    labels = list(runs) if case.memory else []
    del runs
    trials_seconds, setting = trials.seconds, trials.setting
    del trials
    peaks = {}
    for label in labels:
        show(f"{case.name}: memory of {label}")
        peaks[label] = fresh_peak(suite, case.name, label, setting if label == TORCH else "")
    return CaseResult(
        suite=suite,
        name=case.name,
        shape=case.shape,
        work=work,
        floor=floor_seconds(work, ceilings),
        seconds=seconds,
        peak_bytes=peaks,
        setting=setting,
        trials=trials_seconds,
        images=case.images,
        missing=missing,
    )


def try_peers(
    peers: Sequence[Peer], effort: Effort, show: Callable[[str], None] = lambda setting: None
) -> Trials:
    """Returns the seconds of each setting in a short trial, and the run of the fastest one."""
    best, seconds = Trials({}), {}
    for peer in peers:
        if peer.only_in_full_runs and not effort.all_peers:
            continue
        show(peer.setting)
        try:
            run = peer.build()
            seconds[peer.setting] = min(warm_up(run), warm_up(run))
        except Exception as error:  # a compiler of PyTorch may raise anything
            first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            seconds[peer.setting] = f"did not run: {first_line}"
            continue
        if not best.run or seconds[peer.setting] < seconds[best.setting]:
            best = Trials(seconds, peer.setting, run)
    return Trials(seconds, best.setting, best.run)


def free_folder(out: str | None, suite: str) -> Path:
    """Returns the report's folder; raises `UserError` if it is a file or not empty.

    Args:
      out: name of the folder, or None for bench/<suite>-<date>-<time>.
      suite: name of the suite.
    """
    name = out or f"bench/{suite}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = Path(name).expanduser()
    if folder.is_file():
        raise UserError(f"--out={name} is a file: the name of a new folder is expected.")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"--out={name} is not empty: name a new folder, or empty this one.")
    return folder
