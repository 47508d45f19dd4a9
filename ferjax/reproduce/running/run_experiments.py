"""Trains the planned runs one after the other; skips finished runs and notes those that fail."""

import contextlib
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from ferjax.baselines.baseline_folder import finished_baseline
from ferjax.baselines.run_baseline import run_baseline
from ferjax.config.baseline_config import BaselineConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import DiskError, UserError
from ferjax.experiment import run_train
from ferjax.reproduce.run_result import RunResult
from ferjax.reproduce.running.collect_result import Wanted, finished_result
from ferjax.reproduce.running.plan import PlannedRun
from ferjax.runs.train_phases import Watch
from ferjax.runtime.progress_bar import tqdm
from ferjax.runtime.progress_lines import say
from ferjax.training.interrupt_signals import ending_as_ctrl_c
from ferjax.training.run_directory.config_and_lock import check_run_dir

Train = Callable[[PlannedRun, Watch], str]


def run_one(run: PlannedRun, watch: Watch) -> str:
    """Trains or continues a run; returns its summary line."""
    if isinstance(run.config, BaselineConfig):
        return (finished_baseline(run.config) or run_baseline(run.config))["summary"]
    return run_train(run.config, watch=watch)["summary"]


def run_experiments(
    runs: Sequence[PlannedRun],
    out: Path,
    wanted: Mapping[str, Wanted],
    *,
    progress: bool = True,
    train: Train = run_one,
) -> dict[str, str]:
    """Trains or continues all runs; returns the experiments that failed, each with the reason.

    Args:
      runs: in the order in which they are trained.
      out: the folder of runs and results.
      wanted: experiment → predictions that are to be stored of its runs.
      progress: whether to show a line for each run and a bar on a terminal.
      train: trains one run.

    Raises:
      UserError: a directory holds a run with other settings, and nothing was trained; or the disk
        is full.
      KeyboardInterrupt: stopped by the user; the same call continues the work.
    """
    for run in runs:
        if isinstance(run.config, BaselineConfig):
            finished_baseline(run.config)
        else:
            check_run_dir(run.config)
    done = {run.name for run in runs if _is_finished(run)}
    if done:
        say(f"{len(done)} of {len(runs)} runs were finished before", progress)
    failed: dict[str, str] = {}
    quick = any(isinstance(run.config, TrainConfig) and run.config.smoke for run in runs)
    with (
        ending_as_ctrl_c(),
        _quick_compilation(quick),
        _bar(len(runs), len(done), progress) as bar,
    ):
        for run in runs:
            name, bar_before = run.experiment.name, bar.n
            failure = _failure_before(run, failed)
            if failure is None:
                failure = _run_and_store(run, out, wanted.get(name, ()), bar, train, progress)
            if failure and name not in failed:
                # The finished runs of the seeds before are judged all the same.
                failed[name] = f"seed {run.seed} failed: {failure}" if run.seed else failure
                say(f"{run.name} could not be run: {failure}", progress)
            if run.name not in done:
                bar.update(bar_before + 1 - bar.n)
    return failed


def _failure_before(run: PlannedRun, failed: Mapping[str, str]) -> str | None:
    """Returns why a run is not tried, or None.

    A run is not tried if its experiment has failed, or the experiment from which it starts.
    """
    name, after = run.experiment.name, run.experiment.after
    if name in failed:
        return failed[name]
    return f"it starts from {after}, which could not be run" if after in failed else None


def _run_and_store(
    run: PlannedRun, out: Path, wanted: Wanted, bar: Any, train: Train, progress: bool
) -> str | None:
    """Trains one run and stores its result; returns why it failed, or None."""
    bar_before, epochs = bar.n, run.epochs
    finished = _is_finished(run)

    def on_epoch(epoch: int, accuracy: float) -> None:
        bar.set_postfix_str(
            f"{run.name}, epoch {epoch}/{epochs}, val {100 * accuracy:.1f} %", refresh=False
        )
        bar.update(bar_before + epoch / epochs - bar.n)

    try:
        bar.set_postfix_str(run.name)
        summary = train(run, on_epoch)
        result = finished_result(out, run, wanted)
        if not finished:
            say(f"{run.name}: {summary}", progress)
        assert isinstance(result, RunResult)
    except DiskError:
        raise  # there is no room for the other runs either
    except UserError as error:
        return str(error)
    finally:
        # No other run uses its compiled programs. Those of small runs are kept: they cost more
        # time than memory.
        if not finished and not jax.config.read("jax_disable_most_optimizations"):
            jax.clear_caches()
            gc.collect()
    return None


@contextlib.contextmanager
def _quick_compilation(quick: bool) -> Iterator[None]:
    """Turns most optimisations of the compiler off within its block, for runs of a few steps."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", quick or before)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


def _is_finished(run: PlannedRun) -> bool:
    return (run.folder / "report.json").is_file()


def _bar(total: int, done: int, progress: bool) -> Any:
    bar_format = "{desc}: {n:.1f}/{total} |{bar}| {elapsed}, {remaining} left{postfix}"
    return tqdm(
        total=total,
        initial=done,
        desc="runs",
        bar_format=bar_format,
        disable=None if progress else True,
    )
