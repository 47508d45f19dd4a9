"""Runs the suite `growth`: measures each part of a run on data sets of growing size."""

import contextlib
import functools
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ferjax.bench.growth.growth_results import Growth
from ferjax.bench.growth.part_worker import LOAD, MEMORY, PREPARE, RUN, make_answer
from ferjax.bench.growth.parts import PARTS
from ferjax.bench.growth.report_files import write_growth
from ferjax.bench.growth.tiled_faces import check_disk_space, write_faces
from ferjax.bench.measure_suites import free_folder
from ferjax.bench.measuring.interleaved_timing import QUICK, Effort, measure
from ferjax.bench.scaling.scaling_cases import Layout
from ferjax.bench.scaling.worker_processes import Workers, start_workers
from ferjax.bench.suite_registry import GROWTH, cases_expression
from ferjax.errors import UserError
from ferjax.runtime.progress_bar import tqdm

COUNTS, QUICK_COUNTS = (1_000, 10_000, 100_000, 1_000_000), (1_000, 5_000, 20_000)
# A million images take minutes to resample.
FULL = Effort(least=2, budget=20.0)
LAYOUTS = (Layout(1, 1), Layout(1, 8))


def run_growth(
    cases: str | None = None, quick: bool = False, out: str | None = None
) -> tuple[list[Growth], Path]:
    """Measures the parts; writes bench.json and bench.md after each number of devices.

    The data sets are in the folder for temporary files until the measurement ends.

    Args:
      cases: a regular expression that picks parts by name, or None.
      quick: fewer images and rounds.
      out: the folder to write, new or empty; None for bench/growth-<date>-<time>.

    Returns:
      The results and the folder.

    Raises:
      UserError: an expression that matches no part, an unusable folder, no space for the data sets,
        or a process that has ended.
    """
    names = _select_parts(cases)
    counts, effort = (QUICK_COUNTS, QUICK) if quick else (COUNTS, FULL)
    folder, started = free_folder(out, GROWTH), time.monotonic()
    results: list[Growth] = []
    with data_sets(counts) as folders:
        for layout in LAYOUTS:
            # A part that does not use the devices takes the same time with any number of devices.
            chosen = [n for n in names if PARTS[n].on_devices or layout == LAYOUTS[0]]
            if chosen:
                results += measure_parts(chosen, layout, folders, effort)
                write_growth(folder, results, time.monotonic() - started)
    return results, folder


@contextlib.contextmanager
def data_sets(counts: Sequence[int]) -> Iterator[dict[int, Path]]:
    """Yields number of images → folder with that data set; the folders are removed afterwards.

    Raises:
      UserError: there is no space for them.
    """
    check_disk_space(Path(tempfile.gettempdir()), counts)
    try:
        with tempfile.TemporaryDirectory(prefix="ferjax-bench-") as top:
            folders = {count: Path(top, str(count)) for count in counts}
            for count, folder in folders.items():
                write_faces(folder / "data", count)
            yield folders
    except OSError as error:
        raise UserError(
            f"--suite={GROWTH}: {error}. Set TMPDIR to a folder with space, or add --quick."
        ) from None


def measure_parts(
    names: Sequence[str], layout: Layout, folders: Mapping[int, Path], effort: Effort
) -> list[Growth]:
    """Returns the measurements of parts on a number of devices, a process for each data set.

    Args:
      names: keys of `PARTS`.
      layout: the number of devices, in one process.
      folders: number of images → folder of the data set, ascending.
      effort: how long to measure.

    Raises:
      UserError: a process has ended, or has no space for a store.
    """
    results = []
    with contextlib.ExitStack() as stack:
        workers = {}
        for count, folder in folders.items():
            workers[count] = stack.enter_context(start_workers(layout, make_answer, GROWTH))
            workers[count].request(LOAD, str(folder))
        with tqdm(names, unit="part", disable=None, leave=False) as bar:
            for name in bar:
                bar.set_postfix_str(f"{name}, {layout}")
                results.append(_measure_part(name, layout, workers, effort))
    return results


def _measure_part(
    name: str, layout: Layout, workers: Mapping[int, Workers], effort: Effort
) -> Growth:
    images = tuple(worker.request(PREPARE, name) for worker in workers.values())
    runs = {str(count): functools.partial(worker.request, RUN) for count, worker in workers.items()}
    seconds = tuple(measure(runs, effort).values())
    peaks = tuple(worker.request(MEMORY) for worker in workers.values())
    return Growth(name, layout.devices, tuple(workers), images, seconds, peaks)


def _select_parts(pattern: str | None) -> list[str]:
    """Returns the names of the parts to measure; raises `UserError` if no name matches."""
    if pattern is None:
        return [*PARTS]
    expression = cases_expression(pattern)
    picked = [name for name in PARTS if expression.search(name)]
    if not picked:
        raise UserError(f"--cases={pattern} matches no part. Parts: {', '.join(PARTS)}.")
    return picked
