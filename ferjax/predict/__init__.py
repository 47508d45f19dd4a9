"""From a run directory to probabilities for images."""

from ferjax.predict.predictor import (
    LoadedRun,
    Predictor,
    load_predictor,
    load_run,
    predict_files,
    write_predictions,
)

__all__ = [
    "LoadedRun",
    "Predictor",
    "load_predictor",
    "load_run",
    "predict_files",
    "write_predictions",
]
