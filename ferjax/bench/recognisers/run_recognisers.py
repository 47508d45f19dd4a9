"""Runs the suite `recognisers`: scores recognisers, times them in turns, writes the report."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ferjax.bench.measure_suites import free_folder
from ferjax.bench.measuring.interleaved_timing import FULL, QUICK, Effort, measure
from ferjax.bench.recognisers.peer_packages import DOCS
from ferjax.bench.recognisers.peers import load_peers
from ferjax.bench.recognisers.recogniser import Recogniser
from ferjax.bench.recognisers.report_files import write_recognisers
from ferjax.bench.recognisers.results import Result, SuiteResult
from ferjax.bench.recognisers.scored_faces import Faces, load_faces, score, shared_classes
from ferjax.bench.suite_registry import RECOGNISERS, cases_expression
from ferjax.config.tool_configs import RecognisersConfig
from ferjax.errors import UserError
from ferjax.predict import load_predictor
from ferjax.runtime.progress_bar import tqdm
from ferjax.weights.shipped import SHIPPED

# Faces of a timed batch.
_TIMED_FACES = 256


def run_recognisers(
    config: RecognisersConfig,
    cases: str | None = None,
    quick: bool = False,
    out: str | None = None,
) -> tuple[SuiteResult, Path]:
    """Scores and times recognisers on the same faces; writes bench.json and bench.md.

    Args:
      config: the peers, the runs and the faces.
      cases: a regular expression that picks recognisers by name, or None.
      quick: 800 faces of each set and fewer rounds of timing.
      out: the folder to write, new or empty; None for bench/recognisers-<date>-<time>.

    Returns:
      The results and the folder.

    Raises:
      UserError: a wrong flag, no faces, no recogniser, or a damaged file.
    """
    is_selected = cases_expression(cases).search if cases else lambda name: True
    folder, started = free_folder(out, RECOGNISERS), time.monotonic()
    recognisers = own_recognisers(config.runs.split(",") if config.runs else (), is_selected)
    notes: list[str] = []
    if config.peers:
        peers, notes = load_peers(Path(config.peers).expanduser(), is_selected)
        recognisers += peers
    if not recognisers:
        reason = f"--cases={cases} matches no recogniser" if cases else "there is no recogniser"
        raise UserError(f"{reason}. Give --runs=RUN[,RUN] or --peers=DIR; see {DOCS}.")
    folders = config.data_dir.split(",") if config.data_dir else [None]
    loaded_faces = load_faces(folders, config.split, quick)
    faces = [shared_classes(part, recognisers) for part in loaded_faces]
    notes += [
        f"{kept.name}: scored are only {', '.join(kept.classes)}, which all recognisers know;"
        f" {len(part) - len(kept):,} other faces are left out"
        for part, kept in zip(loaded_faces, faces, strict=True)
        if kept.classes != part.classes
    ]
    results = judge(recognisers, faces, QUICK if quick else FULL)
    result = SuiteResult({part.name: part.source for part in faces}, results, tuple(notes))
    write_recognisers(folder, result, time.monotonic() - started)
    return result, folder


def own_recognisers(
    runs: Sequence[str], is_selected: Callable[[str], object] = lambda name: True
) -> list[Recogniser]:
    """Returns the recognisers of ferjax's shipped weights and of runs.

    Args:
      runs: run directories.
      is_selected: returns whether to load the recogniser of a name.

    Raises:
      UserError: a network that cannot be opened.
    """
    recognisers = []
    for name in filter(is_selected, dict.fromkeys([*SHIPPED, *runs])):
        predictor = load_predictor(name)
        recognisers.append(Recogniser(name, predictor.classes, predictor))
    return recognisers


def judge(
    recognisers: Sequence[Recogniser], faces: Sequence[Faces], effort: Effort
) -> tuple[Result, ...]:
    """Returns scores and times of each recogniser; times are taken in turns.

    Args:
      recognisers: the recognisers; their labels differ.
      faces: labelled faces over the classes that all recognisers have.
      effort: how long to time.
    """
    scored = {}
    for recogniser in tqdm(recognisers, unit="recogniser", disable=None, leave=False):
        scored[recogniser.label] = {part.name: score(recogniser, part) for part in faces}
    batch = faces[0].images[:_TIMED_FACES]
    batches = {r.label: partial(r.probabilities, batch) for r in recognisers}
    singles = {r.label: partial(r.probabilities, batch[:1]) for r in recognisers}
    # Processor time: a recogniser that takes two cores is not twice as fast.
    core_seconds = measure(batches, effort, clock=time.process_time)
    seconds = measure(singles, effort)
    return tuple(
        Result(
            r.name,
            r.preprocessing,
            scored[r.label],
            tuple(value / len(batch) for value in core_seconds[r.label]),
            seconds[r.label],
        )
        for r in recognisers
    )
