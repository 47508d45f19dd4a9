"""Predicts the training steps of suite `gpu` on any machine, and writes the report."""

import time
from pathlib import Path

from ferjax.bench.gpu.predict_steps import Prediction, predictions_by_name
from ferjax.bench.gpu.report_files import write_predictions
from ferjax.bench.measure_suites import free_folder
from ferjax.bench.suite_registry import cases_expression
from ferjax.bench.suites.gpu_steps import STEPS
from ferjax.errors import UserError
from ferjax.runtime.progress_bar import tqdm


def run_predictions(
    cases: str | None = None, out: str | None = None
) -> tuple[list[Prediction], Path]:
    """Predicts steps and writes bench.json and bench.md; returns predictions and folder.

    Args:
      cases: a regular expression that selects steps by name, or None.
      out: the folder to write, new or empty; None for bench/gpu-predicted-<date>-<time>.

    Raises:
      UserError: an expression that matches no step, or an unusable folder.
    """
    names = [str(step) for step in STEPS]
    if cases is not None:
        expression = cases_expression(cases)
        picked = [name for name in names if expression.search(name)]
        if not picked:
            raise UserError(f"--cases={cases} matches no step. Steps: {'; '.join(names)}.")
        names = picked
    folder, started = free_folder(out, "gpu-predicted"), time.monotonic()
    predictions = []
    for name in tqdm(names, unit="step", disable=None, leave=False):
        predictions += predictions_by_name(name)
    write_predictions(folder, predictions, time.monotonic() - started)
    return predictions, folder
