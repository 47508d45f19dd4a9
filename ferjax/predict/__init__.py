"""From a run directory to probabilities for images."""

from ferjax.predict.predictor import (
    Predictor,
    load_predictor,
    predict_files,
    write_predictions,
)
from ferjax.runs.load_run import LoadedRun, load_run

__all__ = [
    "LoadedRun",
    "Predictor",
    "load_predictor",
    "load_run",
    "predict_files",
    "write_predictions",
]
