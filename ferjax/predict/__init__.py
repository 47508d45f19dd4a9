"""From a trained network to probabilities for images, and for the faces in photographs."""

from ferjax.predict.faces_in_photographs import FacesOfImage
from ferjax.predict.prediction_table import predict_files, write_predictions
from ferjax.predict.predictor import Predictor, load_predictor
from ferjax.runs.load_run import LoadedRun, load_run

__all__ = [
    "FacesOfImage",
    "LoadedRun",
    "Predictor",
    "load_predictor",
    "load_run",
    "predict_files",
    "write_predictions",
]
