"""From a run directory to probabilities for images."""

from ferjax.predict.prediction_table import predict_files, write_predictions
from ferjax.predict.predictor import Predictor, load_predictor
from ferjax.runs.load_run import LoadedRun, load_run

__all__ = [
    "LoadedRun",
    "Predictor",
    "load_predictor",
    "load_run",
    "predict_files",
    "write_predictions",
]
